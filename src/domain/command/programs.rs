//! Programs that parse an argument again as shell text or code: a value must not stand there, however it is quoted.

use super::CommandError;

/// Stands in a word's text for a placeholder.
const PLACEHOLDER: char = '\u{0}';
/// Stands in a word's text for another expansion, whose result is not known.
const DYNAMIC: char = '\u{1}';

/// A word of a simple command, with its quotes taken off.
#[derive(Debug, Default)]
pub(super) struct Word {
    pub text: String,
    /// Offset of the first placeholder in it.
    pub placeholder: Option<usize>,
    /// Whether any of it was quoted; then it is no reserved word.
    pub quoted: bool,
    /// Offset behind its last byte.
    pub end: usize,
}

impl Word {
    pub(super) fn at(pos: usize) -> Self {
        Self { end: pos, ..Self::default() }
    }

    pub(super) fn mark_placeholder(&mut self, offset: usize) {
        self.text.push(PLACEHOLDER);
        self.placeholder.get_or_insert(offset);
    }

    pub(super) fn mark_dynamic(&mut self) {
        self.text.push(DYNAMIC);
    }

    /// The text of a word that could be a reserved one.
    pub(super) fn plain(&self) -> Option<&str> {
        (!self.quoted && self.placeholder.is_none()).then_some(self.text.as_str())
    }

    /// Whether the word may become none at all, so that the next one takes its place.
    fn may_vanish(&self) -> bool {
        !self.text.is_empty() && self.text.chars().all(|c| c == DYNAMIC)
    }

    /// The text when every expansion in it is empty.
    fn literal(&self) -> String {
        self.text.replace(DYNAMIC, "")
    }

    fn is_assignment(&self) -> bool {
        let Some((name, _)) = self.text.split_once('=') else { return false };
        let name = name.strip_suffix('+').unwrap_or(name);
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    }
}

const RESERVED: [&str; 10] = ["if", "then", "elif", "else", "while", "until", "do", "!", "{", "coproc"];

/// Whether a command begins after these words.
pub(super) fn only_reserved(words: &[Word]) -> bool {
    words.iter().all(|w| w.plain().is_some_and(|t| RESERVED.contains(&t)))
}

/// A program that runs the command which its arguments form: the flags that take a value, and how many of its own
/// arguments come before the command.
const WRAPPERS: &[(&str, &[&str], usize)] = &[
    ("sudo", &["-u", "-g", "-C", "-D", "-h", "-p", "-R", "-r", "-T", "-t", "-U"], 0),
    ("doas", &["-u", "-C"], 0),
    ("env", &["-u", "-C"], 0),
    ("nohup", &[], 0),
    ("exec", &["-a"], 0),
    ("command", &[], 0),
    ("builtin", &[], 0),
    ("busybox", &[], 0),
    ("setsid", &[], 0),
    ("time", &["-f", "-o"], 0),
    ("nice", &["-n"], 0),
    ("ionice", &["-c", "-n", "-p"], 0),
    ("chrt", &[], 1),
    ("taskset", &[], 1),
    ("stdbuf", &["-i", "-o", "-e"], 0),
    ("timeout", &["-k", "-s"], 1),
    ("chroot", &[], 1),
    ("flock", &["-w", "-E"], 1),
    ("xargs", &["-a", "-d", "-E", "-I", "-L", "-n", "-P", "-s"], 0),
    ("systemd-run", &["-p", "-u", "-M", "-H", "-E"], 0),
];

/// Every argument of these is parsed again, here or on another machine.
const EVALUATORS: [&str; 13] =
    ["eval", "source", ".", "trap", "alias", "let", "ssh", "slogin", "rsh", "pdsh", "clush", "watch", "parallel"];

const SHELLS: [&str; 11] = ["sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "fish", "csh", "tcsh", "rbash"];

/// These run the argument after `-c` by a shell.
const SHELL_BY_FLAG: [&str; 4] = ["su", "runuser", "script", "flock"];

/// Interpreters with the flags whose argument is code.
const INTERPRETERS: [(&str, &[&str]); 8] = [
    ("python", &["-c"]),
    ("python3", &["-c"]),
    ("perl", &["-e", "-E"]),
    ("ruby", &["-e"]),
    ("node", &["-e", "--eval", "-p"]),
    ("php", &["-r"]),
    ("lua", &["-e"]),
    ("psql", &["-c"]),
];

/// These declare variables; bash evaluates a subscript in the name.
const DECLARERS: [&str; 6] = ["export", "readonly", "local", "declare", "typeset", "unset"];

/// Looks for placeholders that would be parsed again. `piped` is a placeholder earlier in the same pipeline.
pub(super) fn check(words: &[Word], piped: Option<usize>, errors: &mut Vec<CommandError>) {
    let start = words.iter().take_while(|w| w.plain().is_some_and(|t| RESERVED.contains(&t))).count();
    command(words.get(start..).unwrap_or_default(), piped, errors);
}

fn command(words: &[Word], piped: Option<usize>, errors: &mut Vec<CommandError>) {
    let assignments = words.iter().take_while(|w| w.is_assignment()).count();
    let Some((first, arguments)) = words.get(assignments..).and_then(<[Word]>::split_first) else { return };
    if let Some(offset) = first.placeholder {
        let name = first.text.split(PLACEHOLDER).next().unwrap_or_default();
        let message = if name.ends_with('[') {
            "the placeholder stands in a subscript, which the shell evaluates"
        } else {
            "the placeholder stands where the command's name belongs, so the value would choose what runs"
        };
        errors.push(CommandError {
            offset,
            code: "placeholder_as_command",
            message: message.to_owned(),
            hint: Some(
                "write the command itself; to offer a choice, use `case \"$OPTION_…\" in` in a `script:`".to_owned(),
            ),
        });
        return;
    }
    match first.plain() {
        Some("case" | "for" | "select") => return,
        // `function NAME { command`
        Some("function") => return check(arguments.get(1..).unwrap_or_default(), piped, errors),
        _ => {}
    }
    if first.may_vanish() {
        // `$SUDO systemctl …`: without a value the next word is the command.
        command(arguments, piped, errors);
    }
    let name = first.text.rsplit('/').next().unwrap_or_default();
    // `${A}eval` is `eval` when A is empty.
    let program = name.replace(DYNAMIC, "");
    let program = program.as_str();
    let again = |word: &Word, errors: &mut Vec<CommandError>| {
        if let Some(offset) = word.placeholder {
            errors.push(parsed_again(offset, program));
        }
    };
    if SHELLS.contains(&program) || name.contains(DYNAMIC) {
        shell(arguments, piped.filter(|_| SHELLS.contains(&program)), program, errors);
    }
    if EVALUATORS.contains(&program) {
        arguments.iter().for_each(|w| again(w, errors));
    } else if let Some((_, flags)) = INTERPRETERS.iter().find(|(name, _)| *name == program) {
        after_flags(arguments, flags).for_each(|w| again(w, errors));
    } else if matches!(program, "awk" | "gawk" | "mawk" | "nawk" | "sed" | "gsed") {
        first_operands(behind_flags(arguments, &["-F", "-v", "-f"], 0)).for_each(|w| again(w, errors));
        after_flags(arguments, &["-e", "--expression"]).for_each(|w| again(w, errors));
    } else if program == "find" {
        let exec =
            arguments.iter().position(|w| matches!(w.literal().as_str(), "-exec" | "-execdir" | "-ok" | "-okdir"));
        if let Some(inner) = exec.and_then(|i| arguments.get(i + 1..)) {
            command(inner, None, errors);
        }
    } else if DECLARERS.contains(&program) {
        let in_name = |w: &&Word| !w.is_assignment();
        arguments.iter().filter(in_name).for_each(|w| again(w, errors));
    } else if program == "read" {
        arguments.iter().for_each(|w| again(w, errors));
    } else if program == "printf" {
        after_flags(arguments, &["-v"]).for_each(|w| again(w, errors));
    } else if matches!(program, "test" | "[" | "[[") {
        let arithmetic = ["-v", "-eq", "-ne", "-lt", "-le", "-gt", "-ge"];
        let evaluated = arguments
            .iter()
            .any(|w| w.literal() == "-v" || (program == "[[" && arithmetic.contains(&w.literal().as_str())));
        if evaluated {
            arguments.iter().for_each(|w| again(w, errors));
        }
    }
    carried_shells(arguments, errors);
    if SHELL_BY_FLAG.contains(&program) {
        after_flags(arguments, &["-c", "--command", "--session-command"]).for_each(|w| again(w, errors));
    }
    if program == "env" {
        after_flags(arguments, &["-S", "--split-string"]).for_each(|w| again(w, errors));
    }
    if let Some((_, flags, own)) = WRAPPERS.iter().find(|(name, ..)| *name == program) {
        command(behind_flags(arguments, flags, *own), piped, errors);
    }
}

/// A shell's arguments: the text after `-c`, or else its standard input, is a program.
fn shell(arguments: &[Word], piped: Option<usize>, program: &str, errors: &mut Vec<CommandError>) {
    let is_flag = |w: &Word| w.literal().starts_with(['-', '+']) && w.literal().len() > 1;
    let has_c = |w: &&Word| is_flag(w) && !w.text.starts_with("--") && w.text.contains('c');
    // An expansion may become `-c`, or nothing.
    if let Some(flag) = arguments.iter().position(|w| has_c(&w) || w.text.contains(DYNAMIC)) {
        let behind: Vec<&Word> =
            arguments.iter().skip(flag).filter(|w| !is_flag(w) || w.placeholder.is_some()).collect();
        let sure = behind.iter().position(|w| !w.text.contains(DYNAMIC)).map_or(behind.len(), |i| i + 1);
        if let Some(offset) = behind.iter().take(sure).find_map(|w| w.placeholder) {
            errors.push(parsed_again(offset, program));
        }
    } else if let Some(offset) = piped.filter(|_| arguments.iter().all(is_flag)) {
        errors.push(parsed_again(offset, program));
    }
}

/// Shells among a program's arguments, as in `docker exec web sh -c …`, `kubectl exec`, `ip netns exec`.
fn carried_shells(arguments: &[Word], errors: &mut Vec<CommandError>) {
    for (i, word) in arguments.iter().enumerate() {
        let program = word.text.rsplit('/').next().unwrap_or_default().replace(DYNAMIC, "");
        let program = program.as_str();
        let behind = arguments.get(i + 1..).unwrap_or_default();
        let flags_first = behind.iter().find(|w| !w.may_vanish()).is_some_and(|w| w.literal().starts_with('-'));
        if SHELLS.contains(&program) && flags_first {
            shell(behind, None, program, errors);
        }
    }
}

/// The arguments that belong to these flags: the next word, or what is attached to the flag.
fn after_flags<'a>(arguments: &'a [Word], flags: &'a [&'a str]) -> impl Iterator<Item = &'a Word> {
    let attached = |w: &Word| flags.iter().any(|f| w.literal() != *f && w.literal().starts_with(f));
    arguments.iter().enumerate().filter_map(move |(i, word)| {
        // What may vanish does not stand between a flag and its value for sure.
        let before = arguments.iter().take(i).rfind(|w| !w.may_vanish());
        (before.is_some_and(|b| flags.contains(&b.literal().as_str())) || attached(word)).then_some(word)
    })
}

/// The words that can be the first one once expansions are done: up to the first that is sure to stay.
fn first_operands(words: &[Word]) -> impl Iterator<Item = &Word> {
    let sure = words.iter().position(|w| !w.may_vanish()).map_or(words.len(), |i| i + 1);
    words.iter().take(sure)
}

/// What is left behind the flags, their values, leading assignments and `own` arguments.
fn behind_flags<'a>(arguments: &'a [Word], flags: &[&str], own: usize) -> &'a [Word] {
    let mut at = 0;
    let mut own_left = own;
    while let Some(word) = arguments.get(at) {
        if word.text == "--" {
            at += 1;
        } else if flags.contains(&word.text.as_str()) {
            at += 2;
        } else if (word.text.starts_with('-') && word.text.len() > 1) || word.is_assignment() {
            at += 1;
        } else if own_left > 0 {
            own_left -= 1;
            at += 1;
        } else {
            break;
        }
    }
    arguments.get(at..).unwrap_or_default()
}

fn parsed_again(offset: usize, program: &str) -> CommandError {
    let program = if program.is_empty() { "…" } else { program };
    CommandError {
        offset,
        code: "placeholder_parsed_again",
        message: format!("the placeholder is handed to `{program}`, which would read the value as code"),
        hint: Some(
            "use a `script:` and read the value as \"$OPTION_…\" there, or pass it as an argument behind the code: \
             sh -c '… \"$1\"' sh ${option.…}"
                .to_owned(),
        ),
    }
}
