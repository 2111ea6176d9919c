package build.thresher.deploy;

import build.thresher.cas.client.FarmChannel;
import build.thresher.cas.client.FarmEndpoint;
import build.thresher.deploy.access.Tokens;
import build.thresher.deploy.conformance.Conformance;
import build.thresher.deploy.conformance.Subject;
import io.grpc.ManagedChannel;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.logging.Level;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Tries any server of the Remote Execution API, rule by rule. */
@Command(
    name = "conformance",
    description =
        "Try what the Remote Execution API asks of a server on any server; says which rules it breaks.")
final class ConformanceCommand implements Callable<Integer> {
  @Parameters(paramLabel = "HOST:PORT", description = "gRPC address of the server.")
  private String server = "";

  @Option(
      names = "--instance",
      paramLabel = "NAME",
      description = "Instance that calls are about. Default: the empty name.",
      defaultValue = "")
  private String instance = "";

  @Option(
      names = "--token-file",
      paramLabel = "FILE",
      description = "File with a token to send. Default: THRESHER_TOKEN_FILE, else none is sent.",
      defaultValue = "${env:THRESHER_TOKEN_FILE}")
  private @Nullable Path tokenFile;

  @Option(
      names = "--tls-ca",
      paramLabel = "FILE",
      description = "Certificate authority of the server (PEM). Default: no TLS.",
      defaultValue = "${env:THRESHER_TLS_CA}")
  private @Nullable Path certificateAuthority;

  @Override
  public Integer call() throws Exception {
    Logs.toStandardError(Level.WARNING);
    String token = tokenFile == null ? null : Tokens.read(tokenFile);
    ManagedChannel channel =
        FarmChannel.open(new FarmEndpoint(server, token, certificateAuthority));
    try {
      Subject subject = new Subject(channel, instance, RandomGenerator.getDefault());
      subject.requireAnswer(server);
      return Conformance.run(subject, System.out) == 0 ? 0 : 1;
    } finally {
      channel.shutdownNow();
    }
  }
}
