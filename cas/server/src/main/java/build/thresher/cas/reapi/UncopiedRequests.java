package build.thresher.cas.reapi;

import build.bazel.remote.execution.v2.ContentAddressableStorageGrpc;
import com.google.bytestream.ByteStreamGrpc;
import com.google.protobuf.CodedInputStream;
import com.google.protobuf.MessageLite;
import com.google.protobuf.UnsafeByteOperations;
import io.grpc.HasByteBuffer;
import io.grpc.KnownLength;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.Marshaller;
import io.grpc.MethodDescriptor.PrototypeMarshaller;
import io.grpc.ServerMethodDefinition;
import io.grpc.ServerServiceDefinition;
import io.grpc.ServiceDescriptor;
import io.grpc.Status;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Requests that carry blobs, parsed where they lie: the bytes in them are parts of the one array
 * that the message was received into, where gRPC would copy them once more. So whoever keeps a part
 * of such a request keeps all of it.
 */
public final class UncopiedRequests {
  private static final Set<String> METHODS =
      Set.of(
          ByteStreamGrpc.getWriteMethod().getFullMethodName(),
          ContentAddressableStorageGrpc.getBatchUpdateBlobsMethod().getFullMethodName());

  private UncopiedRequests() {}

  /** The same service; its methods that take blobs do not copy them. */
  public static ServerServiceDefinition of(ServerServiceDefinition service) {
    List<ServerMethodDefinition<?, ?>> methods = new ArrayList<>();
    for (ServerMethodDefinition<?, ?> method : service.getMethods()) {
      boolean uncopied = METHODS.contains(method.getMethodDescriptor().getFullMethodName());
      methods.add(uncopied ? uncopied(method) : method);
    }
    if (methods.equals(List.copyOf(service.getMethods()))) {
      return service;
    }
    ServiceDescriptor.Builder names =
        ServiceDescriptor.newBuilder(service.getServiceDescriptor().getName())
            .setSchemaDescriptor(service.getServiceDescriptor().getSchemaDescriptor());
    methods.forEach(method -> names.addMethod(method.getMethodDescriptor()));
    ServerServiceDefinition.Builder bound = ServerServiceDefinition.builder(names.build());
    methods.forEach(bound::addMethod);
    return bound.build();
  }

  private static <Q, A> ServerMethodDefinition<Q, A> uncopied(ServerMethodDefinition<Q, A> method) {
    MethodDescriptor<Q, A> before = method.getMethodDescriptor();
    Marshaller<Q> marshaller = before.getRequestMarshaller();
    if (!(marshaller instanceof PrototypeMarshaller<Q> known)
        || !(known.getMessagePrototype() instanceof MessageLite prototype)) {
      throw new IllegalArgumentException(before.getFullMethodName() + " takes no protobuf message");
    }
    return ServerMethodDefinition.create(
        before.toBuilder(new Uncopied<>(known, prototype), before.getResponseMarshaller()).build(),
        method.getServerCallHandler());
  }

  private record Uncopied<Q>(PrototypeMarshaller<Q> copying, MessageLite prototype)
      implements PrototypeMarshaller<Q> {
    @Override
    public Q parse(InputStream message) {
      // Calls from inside the process bring the message itself.
      if (!(message instanceof HasByteBuffer) || !(message instanceof KnownLength)) {
        return copying.parse(message);
      }
      try {
        byte[] bytes = new byte[message.available()];
        message.readNBytes(bytes, 0, bytes.length);
        CodedInputStream in = UnsafeByteOperations.unsafeWrap(bytes).newCodedInput();
        in.enableAliasing(true);
        MessageLite parsed = prototype.getParserForType().parseFrom(in);
        in.checkLastTagWas(0);
        return copying.getMessageClass().cast(parsed);
      } catch (IOException e) {
        throw Status.INTERNAL
            .withDescription("a request cannot be parsed: " + e.getMessage())
            .withCause(e)
            .asRuntimeException();
      }
    }

    @Override
    public InputStream stream(Q message) {
      return copying.stream(message);
    }

    @Override
    public Class<Q> getMessageClass() {
      return copying.getMessageClass();
    }

    @Override
    public @Nullable Q getMessagePrototype() {
      return copying.getMessagePrototype();
    }
  }
}
