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
 * Lets a call through when its token gives a role that the method needs; UNAUTHENTICATED otherwise,
 * PERMISSION_DENIED where another token of the farm is needed. Says nothing about the token that
 * was sent.
 */
public final class AccessInterceptor implements ServerInterceptor {
  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  private final @Nullable Tokens tokens;
  private final @Nullable Tokens administrators;

  /**
   * @param tokens null on a farm that was opened explicitly
   * @param administrators a token that may do everything; null where the farm's may
   */
  public AccessInterceptor(@Nullable Tokens tokens, @Nullable Tokens administrators) {
    this.tokens = tokens;
    this.administrators = administrators;
  }

  @Override
  public <Q, R> ServerCall.Listener<Q> interceptCall(
      ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
    MethodDescriptor<Q, R> method = call.getMethodDescriptor();
    String service = method.getServiceName() == null ? "" : method.getServiceName();
    Set<Role> needed = AccessPolicy.rolesFor(service, method.getFullMethodName());
    String header = headers.get(AUTHORIZATION);
    if (needed.contains(Role.ANYONE) || (!needed.isEmpty() && isAdministrator(header))) {
      return next.startCall(call, headers);
    }
    boolean known = tokens == null || (header != null && tokens.authorizes(header));
    if (known && administrators != null && needed.contains(Role.ADMINISTRATOR)) {
      return refused(
          call,
          Status.PERMISSION_DENIED.withDescription(
              "this is for the farm's administrators: send their token (--token-file;"
                  + " access.admin_token_file in the server's farm.yaml says where it is)"));
    }
    if (known && !needed.isEmpty()) {
      return next.startCall(call, headers);
    }
    return refused(
        call,
        Status.UNAUTHENTICATED.withDescription(
            header == null
                ? "this farm asks for a token: send `authorization: Bearer <token>`"
                    + " (thresher reads it from its token file, see --token-file)"
                : "the token is not one of this farm's"));
  }

  private boolean isAdministrator(@Nullable String header) {
    return administrators != null && header != null && administrators.authorizes(header);
  }

  private static <Q, R> ServerCall.Listener<Q> refused(ServerCall<Q, R> call, Status status) {
    call.close(status, new Metadata());
    return new ServerCall.Listener<>() {};
  }
}
