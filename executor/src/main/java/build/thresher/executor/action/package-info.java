/**
 * Runs actions of the Remote Execution API: reads them from the store, puts their inputs in place,
 * runs them in the sandbox, collects and uploads what they made.
 */
@NullMarked
package build.thresher.executor.action;

import org.jspecify.annotations.NullMarked;
