package build.thresher.scheduler.reapi;

import build.bazel.remote.execution.v2.RequestMetadata;
import build.thresher.cas.api.Printable;
import build.thresher.scheduler.core.ClientName;
import build.thresher.scheduler.shell.Caller;
import com.google.protobuf.InvalidProtocolBufferException;
import io.grpc.BindableService;
import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.Grpc;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.ServerInterceptors;
import java.net.InetSocketAddress;

/**
 * Which run of which tool a call belongs to, as clients say in a header. It decides nothing but
 * whose turn it is and what people are shown; a client that lies gains no rights.
 */
final class Invocation {
  static final int MAX_NAME = 200;
  private static final String UNNAMED = "reapi";
  private static final Context.Key<String> KEY = Context.key("invocation");
  private static final Context.Key<String> MACHINE = Context.key("machine");
  private static final Metadata.Key<byte[]> HEADER =
      Metadata.Key.of(
          "build.bazel.remote.execution.v2.requestmetadata-bin", Metadata.BINARY_BYTE_MARSHALLER);

  /** What some clients still send: the name from before the API was final. */
  private static final Metadata.Key<byte[]> OLD_HEADER =
      Metadata.Key.of(
          "google.devtools.remoteexecution.v1test.requestmetadata-bin",
          Metadata.BINARY_BYTE_MARSHALLER);

  private Invocation() {}

  /**
   * Who asks, in the call that is being served: the run of a tool, and whose it is. Tools do not
   * say that, so where no credentials do it is the machine that the call comes from.
   */
  static ClientName clientName() {
    String invocation = KEY.get();
    String machine = MACHINE.get();
    return new ClientName(
        Caller.nameOr(machine == null ? ClientName.ANONYMOUS : machine),
        invocation == null ? UNNAMED : invocation);
  }

  /** The service, with {@link #clientName} known to its calls. */
  static BindableService knownTo(BindableService service) {
    return () -> ServerInterceptors.intercept(service, new Interceptor());
  }

  private static final class Interceptor implements ServerInterceptor {
    @Override
    public <Q, R> ServerCall.Listener<Q> interceptCall(
        ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
      byte[] header = headers.containsKey(HEADER) ? headers.get(HEADER) : headers.get(OLD_HEADER);
      Context context = Context.current();
      if (header != null) {
        context = context.withValue(KEY, describe(header));
      }
      if (call.getAttributes().get(Grpc.TRANSPORT_ATTR_REMOTE_ADDR)
          instanceof InetSocketAddress from) {
        context = context.withValue(MACHINE, from.getAddress().getHostAddress());
      }
      return Contexts.interceptCall(context, call, headers, next);
    }
  }

  /** What a header says of the run, in a line. */
  static String describe(byte[] header) {
    try {
      RequestMetadata metadata = RequestMetadata.parseFrom(header);
      String tool = metadata.getToolDetails().getToolName();
      String invocation = metadata.getToolInvocationId();
      String name = (tool.isEmpty() ? UNNAMED : tool) + " " + invocation;
      return clean(name.strip());
    } catch (InvalidProtocolBufferException e) {
      return UNNAMED; // it is only a courtesy
    }
  }

  private static String clean(String name) {
    String cut = name.length() <= MAX_NAME ? name : name.substring(0, MAX_NAME);
    return Printable.of(cut, MAX_NAME);
  }
}
