package build.thresher.cas.sources;

import build.thresher.cas.api.DiskReserve;
import build.thresher.cas.sources.FetchException.Reason;
import com.google.common.collect.ImmutableMap;
import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.LongSupplier;

/**
 * Makes an archive of a commit, with the submodules that are wanted. What it fetches has the hashes
 * that it was asked for, or git refuses it; what it connects to was checked first, submodules and
 * redirects included.
 *
 * <p>Threading: any thread; calls block.
 */
final class GitFetch {
  private static final int MAX_SUBMODULES = 500;
  private static final int MAX_REDIRECTS = 10;
  private static final String ADVERTISEMENT = "/info/refs?service=git-upload-pack";

  private final Path spool;
  private final GitProgram git;
  private final SourceOptions options;
  private final DiskReserve reserve;
  private final LongSupplier nanoTime;

  GitFetch(Path spool, SourceOptions options, DiskReserve reserve, LongSupplier nanoTime) {
    this.spool = spool;
    this.git = new GitProgram(nanoTime, options.maxBytes(), reserve);
    this.options = options;
    this.reserve = reserve;
    this.nanoTime = nanoTime;
  }

  /** One repository that is still to be added, and where. */
  private record Step(String url, GitRequest wanted, String top) {}

  /**
   * @param url of the repository, as a client gave it
   * @param to a file; overwritten
   * @throws FetchException when this address does not give it
   */
  void archive(String url, GitRequest wanted, Path to) throws IOException {
    if (!options.git()) {
      throw new FetchException(
          Reason.FORBIDDEN,
          "this farm fetches no repositories (sources.git: false); use --upload-sources");
    }
    long deadline = nanoTime.getAsLong() + options.fetchTimeout().toNanos();
    Path scratch = Files.createTempDirectory(spool, "git");
    try {
      git.requireUsable(scratch, deadline);
      try (OutputStream out = new BufferedOutputStream(reserve.guard(Files.newOutputStream(to)));
          GitArchive archive = new GitArchive(git, out, deadline, options.maxBytes())) {
        List<Step> left = new ArrayList<>(List.of(new Step(url, wanted, name(url))));
        for (int done = 0; !left.isEmpty(); done++) {
          if (done > MAX_SUBMODULES) {
            throw new FetchException(
                Reason.TOO_LARGE, wanted + " has more than " + MAX_SUBMODULES + " submodules");
          }
          left.addAll(step(left.removeFirst(), archive, scratch, deadline));
        }
      }
    } finally {
      MoreFiles.deleteRecursively(scratch, RecursiveDeleteOption.ALLOW_INSECURE);
    }
  }

  private List<Step> step(Step step, GitArchive archive, Path scratch, long deadline)
      throws IOException {
    Path repository = Files.createTempDirectory(scratch, "repository");
    try {
      String url = fetch(repository, step, deadline);
      List<GitArchive.Link> links = archive.add(repository, step.wanted(), step.top());
      if (links.isEmpty()) {
        return List.of();
      }
      Map<String, String> urls = archive.submoduleUrls(repository, step.wanted().commit());
      List<Step> more = new ArrayList<>();
      for (GitArchive.Link link : links) {
        String its = urls.getOrDefault(link.path(), "");
        if (its.isEmpty()) {
          throw new FetchException(
              Reason.WRONG_CONTENT,
              step.wanted() + " has the submodule " + link.path() + " without a url");
        }
        more.add(
            new Step(
                absolute(url, its),
                step.wanted().ofSubmodule(link.commit()),
                step.top() + "/" + link.path()));
      }
      return more;
    } finally {
      MoreFiles.deleteRecursively(repository, RecursiveDeleteOption.ALLOW_INSECURE);
    }
  }

  /**
   * @return where it was fetched from, after redirects
   */
  private String fetch(Path repository, Step step, long deadline) throws IOException {
    git.run(repository, deadline, List.of("init", "--quiet", "--bare", "--template=", "."));
    Found found = find(step.url());
    GitRequest wanted = step.wanted();
    List<String> command = new ArrayList<>(List.of("-c", "http.curloptResolve=" + found.resolve()));
    command.addAll(List.of("fetch", "--quiet", "--no-write-fetch-head", "--no-tags"));
    String commit = wanted.commit() + "^{commit}";
    try {
      if (!wanted.fullHistory()) {
        List<String> one = new ArrayList<>(command);
        one.addAll(List.of("--depth=1", "--", found.url(), wanted.commit()));
        git.run(repository, deadline, one);
        git.run(repository, deadline, List.of("cat-file", "-e", commit));
        return found.url();
      }
    } catch (FetchException e) {
      reserve.requireFree();
      // Some servers give out branches and tags only.
    }
    List<String> all = new ArrayList<>(command);
    all.addAll(
        List.of(
            "--", found.url(), "+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"));
    git.run(repository, deadline, all);
    try {
      git.run(repository, deadline, List.of("cat-file", "-e", commit));
    } catch (FetchException e) {
      throw new FetchException(
          Reason.NOT_THERE,
          Addresses.shown(URI.create(found.url())) + " does not have " + wanted,
          e);
    }
    git.run(repository, deadline, List.of("pack-refs", "--all"));
    return found.url();
  }

  /**
   * A repository that answers.
   *
   * @param resolve the one address that git may connect to, in curl's words
   */
  private record Found(String url, String resolve) {}

  /** Follows redirects here, where each address is looked at before it is connected to. */
  private Found find(String url) throws IOException {
    URI uri = parsed(url + ADVERTISEMENT);
    try {
      for (int hops = 0; hops <= MAX_REDIRECTS; hops++) {
        SourceFetcher.requireHttp(uri);
        InetAddress address = Addresses.resolve(uri.getHost(), options.allowPrivateAddresses());
        try (HttpSource source =
            HttpSource.open(
                uri,
                address,
                options.readTimeout(),
                ImmutableMap.of("user-agent", "git/thresher"))) {
          String location = source.header("location");
          if (source.status() / 100 == 3 && !location.isEmpty()) {
            uri = parsed(uri.resolve(parsed(location)).toString());
            continue;
          }
          return found(uri, source, address);
        }
      }
      throw new FetchException(Reason.UNREACHABLE, shown(uri) + " redirects without end");
    } catch (FetchException e) {
      throw e;
    } catch (IOException e) {
      throw new FetchException(Reason.UNREACHABLE, shown(uri) + ": " + e.getMessage(), e);
    }
  }

  private static Found found(URI uri, HttpSource source, InetAddress address)
      throws FetchException {
    String text = uri.toString();
    if (source.status() == 401 || source.status() == 403) {
      throw new FetchException(
          Reason.FORBIDDEN,
          shown(uri) + " wants a login, and the farm has none; use --upload-sources");
    }
    if (source.status() != 200) {
      Reason reason = source.status() == 404 ? Reason.NOT_THERE : Reason.UNREACHABLE;
      throw new FetchException(reason, shown(uri) + " answers " + source.status());
    }
    if (!source.header("content-type").startsWith("application/x-git-upload-pack-advertisement")
        || !text.endsWith(ADVERTISEMENT)) {
      throw new FetchException(Reason.NOT_THERE, shown(uri) + " is no git repository");
    }
    int port = uri.getPort() >= 0 ? uri.getPort() : "https".equals(uri.getScheme()) ? 443 : 80;
    String ip = address.getHostAddress();
    String bracketed = address instanceof Inet6Address ? "[" + ip + "]" : ip;
    return new Found(
        text.substring(0, text.length() - ADVERTISEMENT.length()),
        "%s:%d:%s".formatted(uri.getHost(), port, bracketed));
  }

  private static String shown(URI uri) {
    return Addresses.shown(uri).replace("?…", "");
  }

  /** Git takes what is relative from the repository's own address. */
  private static String absolute(String repository, String url) throws FetchException {
    if (!url.startsWith("./") && !url.startsWith("../")) {
      return url;
    }
    return parsed(repository + "/").resolve(parsed(url)).toString();
  }

  private static URI parsed(String url) throws FetchException {
    try {
      return new URI(url);
    } catch (URISyntaxException e) {
      throw new FetchException(
          Reason.MALFORMED, "malformed address of a repository: " + e.getReason());
    }
  }

  /** What the directory in the archive is called; anything will do. */
  private static String name(String url) {
    String last = url.replaceAll("/+$", "").replaceFirst(".*/", "").replaceFirst("\\.git$", "");
    return last.matches("[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}") ? last : "source";
  }
}
