//! Hostile values on their way to real nodes: what is accepted arrives byte for byte, in every place where a command
//! can use it and whatever the login shell; what is not accepted is refused with a code.

use std::collections::{BTreeMap, BTreeSet};

use interlock::domain::command::{compile, option_variable};
use interlock::domain::ids::OptionName;
use interlock::domain::option::{CheckContext, Checked, OptionKind, OptionSpec, RawValue, RawValues, validate};
use interlock::domain::template::{Scope, arg_string, join_arg_string, options_of, split_arg_string};
use interlock::exec::ssh::{KeyExchange, SshExecutor};
use interlock::exec::{EnvValue, StepOutcome};

use crate::nodes::{request, run};
use crate::sshd::{SHELLS, Sshd};

fn corpus() -> Vec<String> {
    let mut all: Vec<String> = [
        "plain",
        " ",
        "  two  spaces  ",
        "a b c",
        "'",
        "\"",
        "''",
        "\"\"",
        "'\"'\"'",
        "`",
        "\\",
        "\\\\",
        "a\\",
        "a\\'",
        "\\'; echo INJECTED; #",
        "'; echo INJECTED; '",
        "\"; echo INJECTED; \"",
        "$(echo INJECTED)",
        "`echo INJECTED`",
        "${IFS}",
        "$HOME",
        "${x}",
        "${option.x}",
        "${${x}}",
        "{{x}}",
        "{{7*7}}",
        "$((1+1))",
        "$'\\n'",
        "%s%n%d",
        "%h",
        "%%",
        "a;b",
        "a&b",
        "a|b",
        "a&&b",
        "a||b",
        "a>b",
        "a<b",
        "(a)",
        "{a,b}",
        "[a-z]*",
        "*",
        "?",
        "~",
        "~root",
        "=ls",
        "=",
        "#a",
        "a#b",
        "!",
        "!!",
        "!$",
        "^a^b",
        "a=b",
        "A=b cmd",
        "-rf",
        "--help",
        "-",
        "-oProxyCommand=touch /tmp/x",
        "-e",
        "-n",
        "@file",
        "a\nb",
        "a\n",
        "\n",
        "a\r\nb",
        "a\rb",
        "\tb",
        "a\t",
        "a\0b",
        "\u{1b}[31mred\u{1b}[0m",
        "\u{1b}]0;title\u{7}",
        "\u{1b}]8;;http://x\u{7}y",
        "\u{7f}",
        "\u{85}",
        "\u{2028}",
        "\u{202e}txt.exe",
        "\u{2066}a\u{2069}",
        "e\u{301}",
        "🎉",
        "👩‍👩‍👧",
        "ÄÖÜß",
        "日本語",
        "\u{fffd}",
        "\u{feff}a",
        "\u{a0}",
        "\u{81}\u{88}",
        "\u{e000}",
        "\u{10ffff}",
        "\\0101\\n\\c",
        "\\c",
        "\u{1e}exit 0",
        "EOF",
        ".",
        "..",
        "../../etc/passwd",
        "/etc/passwd",
        "null",
        "true",
        "http://example.org/$(id)?a='b'&c=;d",
        "https://example.org/%0a%00",
        "{\"a\": \"$(id)\\n'\"}",
        "[\"\\u0000\"]",
        "\"`id`\"",
        "1;id",
        "-1",
        "2026-01-01;id",
        "a,b",
        ",",
        "a  ,  b",
    ]
    .into_iter()
    .map(str::to_owned)
    .collect();
    all.push("x".repeat(64 * 1024));
    all.push("'\"$`\\ \u{e9}".repeat(6_000).chars().take(40_000).collect());
    all.push("x".repeat(64 * 1024 + 1));
    all.push("x".repeat(1024 * 1024));
    all
}

fn kinds() -> Vec<(&'static str, OptionKind)> {
    let big = 1 << 20;
    vec![
        ("string", OptionKind::String { max_length: big }),
        ("text", OptionKind::Text { max_length: big }),
        ("multi", OptionKind::Multi { values: vec![], delimiter: ",".into() }),
        ("enum", OptionKind::Enum { values: corpus() }),
        ("json", OptionKind::Json { max_length: big }),
        ("url", OptionKind::Url { schemes: vec!["http".into(), "https".into()] }),
        ("integer", OptionKind::Integer { min: None, max: None }),
        ("number", OptionKind::Number { min: None, max: None }),
        ("boolean", OptionKind::Boolean),
        ("date", OptionKind::Date { min: None, max: None }),
        ("datetime", OptionKind::DateTime),
        ("duration", OptionKind::Duration { min: None, max: None }),
        ("node", OptionKind::Node { filter: None }),
        ("secret", OptionKind::Secret { storage: None }),
    ]
}

struct Given {
    spec: OptionSpec,
    value: String,
}

/// Each accepted value as an option of its own, after the same check that a form's values go through.
fn accepted() -> (Vec<Given>, BTreeMap<&'static str, BTreeSet<String>>) {
    let mut given = Vec::new();
    let mut refused: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
    for (word, kind) in kinds() {
        for (i, hostile) in corpus().into_iter().enumerate() {
            for dash in [false, true] {
                let name = OptionName::parse(&format!("{word}-{i}-{dash}")).unwrap();
                let spec = OptionSpec {
                    name: name.clone(),
                    label: None,
                    description: String::new(),
                    kind: kind.clone(),
                    required: true,
                    default: None,
                    pattern: None,
                    allow_leading_dash: dash,
                    hidden: false,
                };
                let raw = RawValues::from([(name.to_string(), RawValue::Text(hostile.clone()))]);
                let value = match validate(std::slice::from_ref(&spec), &raw, &CheckContext::default()) {
                    Err(errors) => {
                        assert_eq!(errors.len(), 1);
                        assert!(!errors[0].message.is_empty());
                        refused.entry(word).or_default().insert(errors[0].code.clone());
                        continue;
                    }
                    Ok(mut values) => match values.remove(&name).unwrap() {
                        Checked::Text(text) => text,
                        Checked::TypedSecret(secret) => secret.expose().to_owned(),
                        other => panic!("{other:?}"),
                    },
                };
                match word {
                    "string" | "enum" | "url" | "secret" => assert_eq!(value, hostile, "{word}"),
                    "text" => assert_eq!(value, hostile.replace("\r\n", "\n")),
                    _ => {}
                }
                assert!(!value.contains('\0') && value.len() <= 64 * 1024);
                assert!(
                    dash || word == "enum"
                        || word == "secret"
                        || !value.starts_with('-')
                        || value.parse::<f64>().is_ok()
                );
                // The second round matters only for what the first one refused; and one giant is enough.
                if (!dash || hostile.starts_with('-')) && (value.len() < 4_096 || word == "text" || word == "string") {
                    given.push(Given { spec, value });
                }
            }
        }
    }
    (given, refused)
}

#[test]
fn what_is_not_accepted_is_refused_with_a_code() {
    assert!(corpus().len() >= 60 + 4);
    let (given, refused) = accepted();
    for (word, codes) in [
        ("string", &["control_character", "nul", "leading_dash", "bidi_character", "too_long"][..]),
        ("text", &["control_character", "nul", "leading_dash", "too_long"]),
        ("multi", &["control_character", "nul", "leading_dash", "bidi_character", "too_long", "required"]),
        ("secret", &["nul", "too_long"]),
        ("integer", &["not_a_number", "nul", "too_long"]),
        ("node", &["unknown_node", "nul", "too_long"]),
    ] {
        let codes: BTreeSet<String> = codes.iter().map(|c| (*c).to_owned()).collect();
        assert_eq!(refused.get(word), Some(&codes), "{word}");
    }
    assert!(given.iter().filter(|g| matches!(g.spec.kind, OptionKind::String { .. })).count() >= 60);
}

#[test]
fn arg_strings_carry_every_value_as_one_token() {
    struct Payload(String);
    impl Scope for Payload {
        fn field(&self, path: &str) -> Option<String> {
            (path == "data.x").then(|| self.0.clone())
        }
    }
    for hostile in corpus() {
        let pairs = vec![("a".to_owned(), hostile.clone()), ("b".to_owned(), "c".to_owned())];
        assert_eq!(options_of(&split_arg_string(&join_arg_string(&pairs)).unwrap()).unwrap(), pairs);
        let tokens: Vec<String> = arg_string("-a ${data.x} -b c")
            .unwrap()
            .iter()
            .map(|t| t.render(&Payload(hostile.clone()), false).unwrap())
            .collect();
        assert_eq!(options_of(&tokens).unwrap(), pairs);
    }
}

/// Runs the same job on a node with each login shell. The node is this machine, so the probes are ordinary programs:
/// `printf` shows arguments and `env -0` the environment, each ended by NUL, which no value can hold.
#[tokio::test]
async fn accepted_values_arrive_byte_for_byte() {
    let sshd = Sshd::start();
    let directory = tempfile::tempdir().unwrap();
    let executor = SshExecutor::new(directory.path(), KeyExchange::Quick).unwrap();
    let (given, _) = accepted();
    let specs: Vec<OptionSpec> = given.iter().map(|g| g.spec.clone()).collect();
    let plain: Vec<&Given> = given.iter().filter(|g| !matches!(g.spec.kind, OptionKind::Secret { .. })).collect();

    let mut author = String::from("/usr/bin/printf '%s\\0'");
    let mut arguments = Vec::new();
    for g in &plain {
        let name = &g.spec.name;
        if g.value.len() > 4_096 {
            author.push_str(&format!(" ${{option.{name}}}"));
            arguments.push(g.value.clone());
        } else {
            author.push_str(&format!(" ${{option.{name}}} \"<${{option.{name}}}>\" '<${{option.{name}}}>'x"));
            arguments.extend([g.value.clone(), format!("<{}>", g.value), format!("<{}>x", g.value)]);
        }
    }
    let compiled = compile(&author, &specs).unwrap();
    let script = "env -0 | grep -z '^OPTION_' | sort -z\n";
    let env: Vec<(String, EnvValue)> =
        given.iter().map(|g| (option_variable(&g.spec.name), EnvValue::Text(g.value.clone()))).collect();
    let environment: BTreeSet<Vec<u8>> =
        given.iter().map(|g| format!("{}={}", option_variable(&g.spec.name), g.value).into_bytes()).collect();

    let (mut command, mut listing) = (request(&compiled.text), request(script));
    command.env.clone_from(&env);
    listing.env = env;
    let jobs = SHELLS.iter().map(|shell| {
        let (executor, command, listing) = (&executor, &command, &listing);
        let target = sshd.target(&format!("ilk-{shell}"));
        async move { (shell, run(executor, &target, command).await, run(executor, &target, listing).await) }
    });
    for (shell, command, listing) in futures_util::future::join_all(jobs).await {
        assert_eq!(command.outcome, StepOutcome::Exited(0), "{shell} {}", String::from_utf8_lossy(&command.err));
        assert_eq!(listing.outcome, StepOutcome::Exited(0), "{shell} {}", String::from_utf8_lossy(&listing.err));
        let got: Vec<&[u8]> = command.out.strip_suffix(b"\0").unwrap().split(|b| *b == 0).collect();
        assert_eq!(got.len(), arguments.len(), "{shell}");
        for (got, expected) in got.iter().zip(&arguments) {
            assert!(*got == expected.as_bytes(), "{shell}: {expected:?} came as {:?}", String::from_utf8_lossy(got));
        }
        let got: BTreeSet<Vec<u8>> =
            listing.out.strip_suffix(b"\0").unwrap().split(|b| *b == 0).map(<[u8]>::to_vec).collect();
        assert!(got == environment, "{shell}: {:?}", got.symmetric_difference(&environment).next());
        assert_eq!((command.err.len(), listing.err.len()), (0, 0), "{shell}");
    }
    executor.close().await;
}

/// Programs put together at random from pieces of shell, compiled, and really run with values that try to break out.
/// Whatever the compiler accepted, no part of a value may ever run.
#[test]
fn no_accepted_program_runs_a_part_of_a_value() {
    const PIECES: [&str; 62] = [
        "echo ",
        "echo ",
        "${option.x}",
        "${option.x}",
        "${option.x}",
        "${option.x}",
        " ",
        " ",
        "a",
        "'",
        "'",
        "\"",
        "\"",
        "`",
        "$(",
        ")",
        "(",
        "{ ",
        "; }",
        ";",
        "\n",
        "|",
        "&&",
        "\\",
        "$",
        "#",
        "cat <<E\n",
        "\nE\n",
        "<<-'E'\n",
        "case a in a) ",
        ";; esac",
        "$'",
        "$((",
        "))",
        "${C:-",
        "}",
        "[",
        "]",
        "=",
        "A=",
        "A[",
        "eval ",
        "sh -c ",
        "bash -c ",
        "for i in ",
        "; do ",
        "; done",
        "if true; then ",
        "; fi",
        "\\\n",
        "export ",
        "trap ",
        "[[ ",
        " -eq 1 ]]",
        "let ",
        "test -v ",
        "read ",
        "printf -v ",
        "env ",
        "| sh",
        "${B#",
        "command ",
    ];
    let values = [
        "a[$(touch PWN)]",
        "a[$(touch PWN)]';touch PWN;'\";touch PWN;\"`touch PWN`\n touch PWN\nE\ntouch PWN\n)touch PWN}touch PWN",
        "touch PWN",
    ];
    let spec = OptionSpec {
        name: OptionName::parse("x").unwrap(),
        label: None,
        description: String::new(),
        kind: OptionKind::Text { max_length: 1_000 },
        required: true,
        default: None,
        pattern: None,
        allow_leading_dash: true,
        hidden: false,
    };
    let directory = tempfile::tempdir().unwrap();
    // xorshift with a fixed seed: the same programs every time.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % n as u64).unwrap()
    };
    let (mut ran, mut seen) = (0, BTreeSet::new());
    while ran < 1500 {
        let length = 2 + draw(9);
        let author: String = (0..length).map(|_| PIECES[draw(PIECES.len())]).collect();
        let Ok(program) = compile(&author, std::slice::from_ref(&spec)) else { continue };
        if program.variables.is_empty() || !seen.insert(author.clone()) {
            continue;
        }
        ran += 1;
        for shell in ["dash", "bash"] {
            let value = values[ran % values.len()];
            let mut child = std::process::Command::new("timeout");
            child.args(["-s", "KILL", "5", shell, "-c", &program.text]).current_dir(directory.path());
            let streams = std::process::Stdio::null;
            child.env_clear().env("PATH", "/usr/bin:/bin").env("OPTION_X", value);
            child.stdin(streams()).stdout(streams()).stderr(streams()).status().unwrap();
            assert!(
                !directory.path().join("PWN").exists(),
                "{shell} ran a part of {value:?} in {author:?}, compiled to {:?}",
                program.text
            );
        }
    }
}
