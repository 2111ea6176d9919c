/**
 * The program: its command table and the object graph of each process. No rules of the farm live
 * here.
 */
@NullMarked
package build.thresher.deploy;

import org.jspecify.annotations.NullMarked;
