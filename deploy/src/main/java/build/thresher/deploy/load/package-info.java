/** What a server of the Remote Execution API can do in a second; any server, side by side. */
@NullMarked
package build.thresher.deploy.load;

import org.jspecify.annotations.NullMarked;
