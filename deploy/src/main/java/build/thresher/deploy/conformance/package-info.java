/**
 * What the Remote Execution API asks of a server, rule by rule, as a client sees it over gRPC.
 * Works on any server.
 */
@NullMarked
package build.thresher.deploy.conformance;

import org.jspecify.annotations.NullMarked;
