package build.thresher.deploy.access;

import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Lets a call through when its token gives a role that the method needs; UNAUTHENTICATED otherwise.
 * Says nothing about the token that was sent.
 */
public final class AccessInterceptor implements ServerInterceptor {
  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  private final @Nullable Tokens tokens;

  /**
   * @param tokens null on a farm that was opened explicitly
   */
  public AccessInterceptor(@Nullable Tokens tokens) {
    this.tokens = tokens;
  }

  @Override
  public <Q, R> ServerCall.Listener<Q> interceptCall(
      ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
    MethodDescriptor<Q, R> method = call.getMethodDescriptor();
    String service = method.getServiceName() == null ? "" : method.getServiceName();
    Set<Role> needed = AccessPolicy.rolesFor(service, method.getFullMethodName());
    if (needed.contains(Role.ANYONE) || (tokens == null && !needed.isEmpty())) {
      return next.startCall(call, headers);
    }
    String header = headers.get(AUTHORIZATION);
    if (tokens != null && header != null && !needed.isEmpty() && tokens.authorizes(header)) {
      return next.startCall(call, headers);
    }
    call.close(
        Status.UNAUTHENTICATED.withDescription(
            header == null
                ? "this farm asks for a token: send `authorization: Bearer <token>`"
                    + " (thresher reads it from its token file, see --token-file)"
                : "the token is not one of this farm's"),
        new Metadata());
    return new ServerCall.Listener<>() {};
  }
}
