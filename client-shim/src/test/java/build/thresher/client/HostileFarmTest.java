package build.thresher.client;

import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.client.Farmed.Ran;
import build.thresher.v1.FarmGrpc;
import build.thresher.v1.MirrorGrpc;
import com.google.protobuf.ByteString;
import com.google.protobuf.Descriptors.EnumValueDescriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Message;
import io.grpc.Server;
import io.grpc.ServerServiceDefinition;
import io.grpc.Status;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.ServerCalls;
import io.grpc.stub.StreamObserver;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;

/**
 * Whatever the farm says, in whichever field, a command prints it in the line where it belongs and
 * without anything that a terminal would obey.
 */
class HostileFarmTest {
  /** Begins as what the commands are given, so that they find it. */
  private static final String EVIL =
      "evil\nFORGED\r\u001b[2J\u0007\u0085\u009b2J\u007f\u202e\u2028end";

  private static final List<String[]> COMMANDS =
      List.of(
          new String[] {"status"},
          new String[] {"status", "evil"},
          new String[] {"status", "--json"},
          new String[] {"requests"},
          new String[] {"requests", "--json"},
          new String[] {"wait", "evil"},
          new String[] {"wait", "--json", "evil"},
          new String[] {"wait", "/" + Farmed.HASH},
          new String[] {"cancel", "evil"},
          new String[] {"logs", "/" + Farmed.HASH},
          new String[] {"mirror"},
          new String[] {"mirror", "--json"},
          new String[] {"mirror", "pins"},
          new String[] {"mirror", "pins", "--json"},
          new String[] {"mirror", "views"},
          new String[] {"mirror", "prune", "--dry-run", "--verbose"},
          new String[] {"mirror", "prune", "--dry-run", "--json"},
          new String[] {"mirror", "restore", "--all"},
          new String[] {"mirror", "restore"},
          new String[] {"mirror", "promote", "--from", "a", "--to", "b"},
          new String[] {"mirror", "keys"});

  @Test
  void nothingThatAFarmSaysIsALineOfItsOwnOrObeyedByATerminal() throws Exception {
    int printed = 0;
    for (int variant = 0; variant < 4; variant++) {
      Server farm = start(variant);
      try {
        for (String[] command : COMMANDS) {
          String[] with = new String[command.length + 2];
          int words =
              command[0].equals("mirror") && command.length > 1 && !command[1].startsWith("-")
                  ? 2
                  : 1;
          System.arraycopy(command, 0, with, 0, words);
          with[words] = "--server";
          with[words + 1] = "127.0.0.1:" + farm.getPort();
          System.arraycopy(command, words, with, words + 2, command.length - words);
          Ran ran = Farmed.run(with);
          printed += check(String.join(" ", command), ran.out()) + check(command[0], ran.err());
        }
      } finally {
        farm.shutdownNow();
      }
    }
    System.out.println("what the farm said was printed " + printed + " times");
    assertTrue(printed > 40, "hardly anything was printed: " + printed);
  }

  private static int check(String command, String text) {
    for (String line : text.split("\n", -1)) {
      assertTrue(!line.startsWith("FORGED"), () -> command + ": " + text);
      line.codePoints()
          .forEach(
              c ->
                  assertTrue(
                      !Character.isISOControl(c) && c != 0x202e && c != 0x2028,
                      () -> "U+%04x of `%s`: %s".formatted(c, command, text)));
    }
    return text.contains("FORGED") ? 1 : 0;
  }

  private static Server start(int variant) throws Exception {
    return NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
        .addService(hostile(FarmGrpc.getServiceDescriptor(), variant))
        .addService(hostile(MirrorGrpc.getServiceDescriptor(), variant))
        .build()
        .start();
  }

  /** Answers each method with one message that is hostile in every field, or with an error. */
  private static ServerServiceDefinition hostile(io.grpc.ServiceDescriptor service, int variant) {
    ServerServiceDefinition.Builder built = ServerServiceDefinition.builder(service);
    for (io.grpc.MethodDescriptor<?, ?> method : service.getMethods()) {
      add(built, method, variant);
    }
    return built.build();
  }

  @SuppressWarnings("unchecked") // all methods of these services take and give messages
  private static void add(
      ServerServiceDefinition.Builder built, io.grpc.MethodDescriptor<?, ?> method, int variant) {
    io.grpc.MethodDescriptor<Message, Message> messages =
        (io.grpc.MethodDescriptor<Message, Message>) method;
    var prototype =
        (io.grpc.MethodDescriptor.PrototypeMarshaller<Message>) messages.getResponseMarshaller();
    Message empty = java.util.Objects.requireNonNull(prototype.getMessagePrototype());
    built.addMethod(
        messages,
        ServerCalls.asyncServerStreamingCall(
            (Message asked, StreamObserver<Message> out) -> {
              if (variant == 0) {
                out.onError(Status.INVALID_ARGUMENT.withDescription(EVIL).asRuntimeException());
              } else {
                out.onNext(filled(empty, variant, 0));
                out.onCompleted();
              }
            }));
  }

  private static Message filled(Message empty, int variant, int depth) {
    Message.Builder message = empty.newBuilderForType();
    for (FieldDescriptor field : empty.getDescriptorForType().getFields()) {
      if (depth > 4 || skipped(field)) {
        continue;
      }
      Object value =
          switch (field.getJavaType()) {
            case STRING -> field.getName().equals("hash") && variant % 2 == 1 ? Farmed.HASH : EVIL;
            case BYTE_STRING -> ByteString.copyFromUtf8("x");
            case INT -> 1;
            case LONG -> 1L;
            case FLOAT -> 1f;
            case DOUBLE -> 1d;
            case BOOLEAN -> variant % 2 == 0;
            case ENUM -> value(field, variant);
            case MESSAGE -> filled(message.newBuilderForField(field).build(), variant, depth + 1);
          };
      if (field.isRepeated()) {
        message.addRepeatedField(field, value);
      } else {
        message.setField(field, value);
      }
    }
    return message.build();
  }

  private static boolean skipped(FieldDescriptor field) {
    // A stream's one message is the last one, or it would never end.
    return field.getContainingOneof() != null
        && !field.getName().equals("finished")
        && field.getContainingType().getName().toLowerCase(Locale.ROOT).contains("executeupdate");
  }

  private static EnumValueDescriptor value(FieldDescriptor field, int variant) {
    List<EnumValueDescriptor> values = field.getEnumType().getValues();
    return values.get(variant % values.size());
  }
}
