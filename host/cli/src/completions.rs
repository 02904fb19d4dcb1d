//! Scripts that complete commands and flags in a shell.

use super::args::{Cli, Shell};
use clap::{Command, CommandFactory};

/// The script for a shell. What the help hides is not offered.
pub fn script(shell: Shell) -> Vec<u8> {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
        Shell::Elvish => clap_complete::Shell::Elvish,
    };
    let mut script = Vec::new();
    let mut command = Cli::command();
    for verb in ["run", "doctor", "daemon"] {
        command = command.mut_subcommand(verb, |command| without_hidden(verb, &command));
    }
    clap_complete::generate(shell, &mut command, "sandhog", &mut script);
    script
}

/// clap_complete offers hidden flags as well, so they go.
fn without_hidden(verb: &'static str, command: &Command) -> Command {
    let shown = command.get_arguments().filter(|argument| !argument.is_hide_set()).cloned();
    let about = command.get_about().cloned().unwrap_or_default();
    Command::new(verb).about(about).args(shown.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_shell_completes_the_flags_that_the_help_shows() {
        for shell in Shell::value_variants() {
            let script = String::from_utf8(script(*shell)).unwrap();
            for word in ["sandhog", "run", "max-output", "allow-missing", "completions", "monit", "backoff-first"] {
                assert!(script.contains(word), "{shell:?} does not know {word}");
            }
            for hidden in ["probe", "ready-fd", "--channel"] {
                assert!(!script.contains(hidden), "{shell:?} offers what is hidden");
            }
        }
    }
}
