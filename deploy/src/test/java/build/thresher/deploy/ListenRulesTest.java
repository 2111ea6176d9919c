package build.thresher.deploy;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import build.thresher.deploy.config.ConfigException;
import build.thresher.deploy.config.FarmConfig;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ListenRulesTest {
  private static void check(String... settings) throws Exception {
    ListenRules.check(FarmConfig.load(null, Map.of(), List.of(settings)));
  }

  @Test
  void loopbackNeedsNothing() {
    assertDoesNotThrow(() -> check());
    assertDoesNotThrow(() -> check("grpc.listen=[::1]:0", "access.open=true"));
  }

  @Test
  void anAddressThatOthersReachNeedsTls() {
    for (String listen : List.of("grpc.listen=0.0.0.0:8980", "http.listen=192.0.2.1:80")) {
      var e = assertThrows(ConfigException.class, () -> check(listen));
      assertTrue(String.valueOf(e.getMessage()).contains("tls.certificate"), e.getMessage());
    }
    assertDoesNotThrow(
        () -> check("grpc.listen=0.0.0.0:8980", "tls.certificate=c.pem", "tls.key=k.pem"));
  }

  @Test
  void anOpenFarmStaysOnLoopback() {
    assertThrows(
        ConfigException.class,
        () ->
            check(
                "grpc.listen=0.0.0.0:8980",
                "tls.certificate=c.pem",
                "tls.key=k.pem",
                "access.open=true"));
  }

  @Test
  void halfAKeyPairIsRefused() {
    assertThrows(ConfigException.class, () -> check("tls.key=k.pem"));
  }
}
