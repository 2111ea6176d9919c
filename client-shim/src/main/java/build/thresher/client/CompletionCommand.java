package build.thresher.client;

import java.util.concurrent.Callable;
import picocli.AutoComplete;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Prints what makes a shell complete this program's commands. */
@Command(
    name = "completion",
    description = "Print shell completion: source <(thresher completion bash)")
final class CompletionCommand implements Callable<Integer> {
  /** What picocli writes for both shells is one script. */
  enum Shell {
    bash,
    zsh
  }

  @Spec private CommandSpec spec = CommandSpec.create();

  @Parameters(
      arity = "0..1",
      paramLabel = "SHELL",
      description = "bash or zsh. Default: ${DEFAULT-VALUE}.",
      defaultValue = "bash")
  private Shell shell = Shell.bash;

  @Override
  public Integer call() {
    if (shell == Shell.zsh) {
      System.out.println("autoload -U +X bashcompinit && bashcompinit");
    }
    System.out.println(AutoComplete.bash("thresher", spec.root().commandLine()));
    return 0;
  }
}
