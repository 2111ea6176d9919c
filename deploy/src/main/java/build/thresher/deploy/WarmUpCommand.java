package build.thresher.deploy;

import build.thresher.deploy.config.FarmConfig;
import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;

/**
 * What the ahead-of-time cache is made from: a farm starts, a client asks it something over a real
 * connection, all stops. Whatever is loaded here starts faster later.
 */
@Command(
    name = "warm-up",
    hidden = true,
    description = "Start a farm, ask for its status and stop, to train the ahead-of-time cache.")
final class WarmUpCommand implements Callable<Integer> {
  @Override
  public Integer call() throws Exception {
    Path directory = Files.createTempDirectory("thresher-warm-up-");
    try {
      Path token = directory.resolve("token");
      FarmConfig config =
          FarmConfig.load(
              null,
              Map.of(),
              List.of(
                  "data=" + directory.resolve("data"),
                  "access.token_file=" + token,
                  "grpc.listen=127.0.0.1:0",
                  "http.listen=127.0.0.1:0"));
      try (FarmServer farm = FarmServer.start(config)) {
        String[] there = {"--server", farm.grpcTarget(), "--token-file", token.toString()};
        int status = Main.run("status", there[0], there[1], there[2], there[3]);
        int mirror = Main.run("mirror", "--json", there[0], there[1], there[2], there[3]);
        return status + mirror;
      }
    } finally {
      MoreFiles.deleteRecursively(directory, RecursiveDeleteOption.ALLOW_INSECURE);
    }
  }
}
