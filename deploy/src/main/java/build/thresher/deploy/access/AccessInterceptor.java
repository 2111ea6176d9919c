package build.thresher.deploy.access;

import build.thresher.scheduler.shell.Caller;
import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.Grpc;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import java.util.Set;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.net.ssl.SSLSession;
import org.jspecify.annotations.Nullable;

/**
 * Lets a call through when its token, or the certificate of its connection, gives a role that the
 * method needs; UNAUTHENTICATED otherwise, PERMISSION_DENIED where another token of the farm is
 * needed. Says nothing about the token that was sent. Of who has a certificate alone, the call
 * knows the name.
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
    String holder = holderOfCertificate(call);
    if (holder != null && needed.contains(Role.CLIENT)) {
      Context named = Context.current().withValue(Caller.PRINCIPAL, holder);
      return Contexts.interceptCall(named, call, headers, next);
    }
    return refused(
        call, Status.UNAUTHENTICATED.withDescription(whatToSend(header, holder != null)));
  }

  private static String whatToSend(@Nullable String header, boolean certified) {
    if (header != null) {
      return "the token is not one of this farm's";
    }
    return certified
        ? "a certificate makes a client, which may not do this: send the farm's token too"
        : "this farm asks for a token: send `authorization: Bearer <token>`"
            + " (thresher reads it from its token file, see --token-file)";
  }

  /**
   * Who shows a certificate; null for nobody. The connection's handshake has verified it, where it
   * asked for one.
   */
  private static @Nullable String holderOfCertificate(ServerCall<?, ?> call) {
    SSLSession session = call.getAttributes().get(Grpc.TRANSPORT_ATTR_SSL_SESSION);
    if (session == null) {
      return null;
    }
    try {
      return session.getPeerPrincipal().getName();
    } catch (SSLPeerUnverifiedException e) {
      return null;
    }
  }

  private boolean isAdministrator(@Nullable String header) {
    return administrators != null && header != null && administrators.authorizes(header);
  }

  private static <Q, R> ServerCall.Listener<Q> refused(ServerCall<Q, R> call, Status status) {
    call.close(status, new Metadata());
    return new ServerCall.Listener<>() {};
  }
}
