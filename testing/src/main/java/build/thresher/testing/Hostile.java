package build.thresher.testing;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.Tag;

/**
 * A method of {@link HostileBytes} that reads the bytes it is given. Jazzer, whose agent rewrites
 * every class of the process, runs it only where it is asked to: {@code ./thresher fuzz}.
 */
@FuzzTest
@Tag("jazzer")
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.METHOD)
public @interface Hostile {}
