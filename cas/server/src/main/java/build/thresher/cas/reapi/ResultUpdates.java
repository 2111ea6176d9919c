package build.thresher.cas.reapi;

import java.util.function.BooleanSupplier;

/**
 * Who may write results of actions himself. A result that anybody can write is believed by
 * everybody, so the default is the farm's executors alone, which do not come this way.
 *
 * @param allowed asked in each call, with the call's context
 * @param howToAllow what an administrator sets to allow it; sent to whoever is refused
 */
public record ResultUpdates(BooleanSupplier allowed, String howToAllow) {}
