/**
 * The Remote Execution API on the farm's one scheduler: an action is a request with one task.
 * {@link build.thresher.scheduler.reapi.ExecutionService} and {@link
 * build.thresher.scheduler.reapi.OperationsService} are the services, {@code Actions} reads and
 * checks what is to be run, {@code OperationTexts} says how it stands.
 */
@NullMarked
package build.thresher.scheduler.reapi;

import org.jspecify.annotations.NullMarked;
