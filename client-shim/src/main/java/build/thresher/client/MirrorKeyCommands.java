package build.thresher.client;

import build.thresher.v1.KeyState;
import build.thresher.v1.ListKeysRequest;
import build.thresher.v1.ListKeysResponse;
import build.thresher.v1.MirrorGrpc;
import build.thresher.v1.RotateKeyRequest;
import build.thresher.v1.SigningKey;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** The keys that a mirror is signed with. */
final class MirrorKeyCommands {
  private MirrorKeyCommands() {}

  /** Lists them. */
  @Command(name = "keys", description = "List the keys that the mirror serves and signs with.")
  static final class Keys extends InstanceCommand {
    @Override
    int ask(MirrorGrpc.MirrorBlockingStub mirror, String instance) {
      print(mirror.listKeys(ListKeysRequest.newBuilder().setInstanceName(instance).build()));
      return 0;
    }
  }

  /** Begins to change the key. */
  @Command(
      name = "rotate",
      description = {
        "Put a new signing key into the place of the mirror's. Both are served until all manifests"
            + " are signed anew, which happens in the background; no archive is touched.",
        "Clients trust the new key with `spack buildcache keys --install --trust`. With --announce"
            + " they have the time for it: rotate again when they did.",
        "The new key is of the kind that mirror.key_type in the server's farm.yaml says."
      })
  static final class Rotate extends InstanceCommand {
    @Option(
        names = "--announce",
        description = "Only make and serve the new key; nothing is signed with it yet.")
    private boolean announce;

    @Override
    int ask(MirrorGrpc.MirrorBlockingStub mirror, String instance) {
      print(
          mirror.rotateKey(
              RotateKeyRequest.newBuilder()
                  .setInstanceName(instance)
                  .setAnnounceOnly(announce)
                  .build()));
      return 0;
    }
  }

  private static void print(ListKeysResponse keys) {
    for (SigningKey key : keys.getKeysList()) {
      System.out.println(
          Text.clean(key.getFingerprint() + " " + key.getType() + " " + word(key.getState())));
    }
    if (keys.getKeysCount() > 1 && keys.getToSign() > 0) {
      System.out.printf("%d of %d specs are signed anew%n", keys.getSignedAnew(), keys.getToSign());
    }
  }

  private static String word(KeyState state) {
    return switch (state) {
      case KEY_SIGNS -> "signs";
      case KEY_ANNOUNCED -> "is announced, signs nothing yet";
      case KEY_LEAVES -> "leaves: some specs are still signed with it";
      case KEY_STATE_UNSPECIFIED, UNRECOGNIZED -> "";
    };
  }
}
