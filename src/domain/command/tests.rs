use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::ids::OptionName;
use super::super::option::{OptionKind, OptionSpec};
use super::*;

fn spec(name: &str, kind: OptionKind) -> OptionSpec {
    OptionSpec {
        name: OptionName::parse(name).unwrap(),
        label: None,
        description: String::new(),
        kind,
        required: false,
        default: None,
        pattern: None,
        allow_leading_dash: false,
        hidden: false,
    }
}

fn options() -> Vec<OptionSpec> {
    vec![
        spec("x", OptionKind::String { max_length: 100 }),
        spec("db-name", OptionKind::String { max_length: 100 }),
        spec("password", OptionKind::Secret { storage: None }),
    ]
}

fn text(command: &str) -> String {
    compile(command, &options()).map(|p| p.text).unwrap_or_else(|e| panic!("{command}: {e:?}"))
}

fn codes(command: &str) -> Vec<(usize, &'static str)> {
    compile(command, &options()).err().unwrap_or_default().into_iter().map(|e| (e.offset, e.code)).collect()
}

#[test]
fn each_quoting_gets_its_own_reference() {
    for (author, compiled) in [
        ("systemctl restart ${option.x}", "systemctl restart \"$OPTION_X\""),
        ("echo a${option.x}b", "echo a\"$OPTION_X\"b"),
        ("echo \"a ${option.x} b\"", "echo \"a ${OPTION_X} b\""),
        ("echo \"${option.x}y\"", "echo \"${OPTION_X}y\""),
        ("echo 'a ${option.x} b'", "echo 'a '\"$OPTION_X\"' b'"),
        ("echo \\${option.x}", "echo \\${option.x}"),
        ("echo \"\\${option.x}\"", "echo \"\\${option.x}\""),
        ("echo ${HOME} $HOME ${x:-y} $(date) `id` $((1+2))", "echo ${HOME} $HOME ${x:-y} $(date) `id` $((1+2))"),
        ("X=${option.x} cmd", "X=\"$OPTION_X\" cmd"),
        ("X=${option.x}; cmd > ${option.x} 2>&1", "X=\"$OPTION_X\"; cmd > \"$OPTION_X\" 2>&1"),
        ("a ${node.name} ${run.number} ${job.id}", "a \"$NODE_NAME\" \"$RUN_NUMBER\" \"$JOB_ID\""),
        ("a ${node.os-family} ${option.db-name}", "a \"$NODE_OS_FAMILY\" \"$OPTION_DB_NAME\""),
        ("echo \"$(date) it's\" ${option.x}", "echo \"$(date) it's\" \"$OPTION_X\""),
        ("echo \"${a:-it's}\" '${option.x}'", "echo \"${a:-it's}\" ''\"$OPTION_X\"''"),
        (
            "x=$(case a in a) echo ')';; esac) ; echo ${option.x}",
            "x=$(case a in a) echo ')';; esac) ; echo \"$OPTION_X\"",
        ),
        ("for i in ${option.x}; do echo $i; done", "for i in \"$OPTION_X\"; do echo $i; done"),
        ("case ${option.x} in a) ls;; esac", "case \"$OPTION_X\" in a) ls;; esac"),
        ("cat <<E\nit's\nE\necho ${option.x}", "cat <<E\nit's\nE\necho \"$OPTION_X\""),
        ("if test ${option.x} = 1; then ls; fi", "if test \"$OPTION_X\" = 1; then ls; fi"),
        ("sudo -u bob timeout -k 5 10 ls ${option.x}", "sudo -u bob timeout -k 5 10 ls \"$OPTION_X\""),
        ("sh -c 'echo \"$1\"' sh ${option.x}", "sh -c 'echo \"$1\"' sh \"$OPTION_X\""),
        ("echo ${option.x} | tee /tmp/x", "echo \"$OPTION_X\" | tee /tmp/x"),
        ("echo a#b ${option.x}", "echo a#b \"$OPTION_X\""),
        ("export A=${option.x}", "export A=\"$OPTION_X\""),
        ("echo $${option.x}", "echo $${option.x}"),
        ("$SUDO ls ${option.x}", "$SUDO ls \"$OPTION_X\""),
        ("ls a \\\n  ${option.x}", "ls a \\\n  \"$OPTION_X\""),
        ("docker exec web ls ${option.x}", "docker exec web ls \"$OPTION_X\""),
        ("docker exec web sh -c 'ls \"$1\"' sh ${option.x}", "docker exec web sh -c 'ls \"$1\"' sh \"$OPTION_X\""),
        ("grep -e ${option.x} f", "grep -e \"$OPTION_X\" f"),
    ] {
        assert_eq!(text(author), compiled, "{author}");
    }
}

#[test]
fn variables_come_in_order_of_first_use() {
    let program = compile("a ${option.x} ${node.name} ${option.x}", &options()).unwrap();
    assert_eq!(program.variables, ["OPTION_X", "NODE_NAME"]);
}

#[test]
fn placeholders_are_refused_where_quoting_does_not_help() {
    for (author, code) in [
        ("echo $(ls ${option.x})", "placeholder_in_substitution"),
        ("echo \"$(ls '${option.x}')\"", "placeholder_in_substitution"),
        ("echo $(echo $((${option.x})))", "placeholder_in_substitution"),
        ("echo `ls ${option.x}`", "placeholder_in_substitution"),
        ("echo $((1 + ${option.x}))", "placeholder_in_arithmetic"),
        ("((i = ${option.x}))", "placeholder_in_arithmetic"),
        ("echo $[ ${option.x} ]", "placeholder_in_arithmetic"),
        ("echo ${A:-${option.x}}", "placeholder_in_expansion"),
        ("echo \"${A:-${option.x}}\"", "placeholder_in_expansion"),
        ("echo $'${option.x}'", "placeholder_in_ansi_quote"),
        ("cat <<E\n${option.x}\nE", "placeholder_in_here_document"),
        ("cat <<'E'\n${option.x}\nE", "placeholder_in_here_document"),
        ("cat <<-E\n\t${option.x}\n\tE", "placeholder_in_here_document"),
        ("cat <<${option.x}\nE", "placeholder_in_here_document"),
        ("ls # ${option.x}", "placeholder_in_comment"),
        ("${option.x}", "placeholder_as_command"),
        ("A=1 ${option.x}", "placeholder_as_command"),
        ("/opt/${option.x}/run", "placeholder_as_command"),
        ("ls; '${option.x}'", "placeholder_as_command"),
        ("if ${option.x}; then ls; fi", "placeholder_as_command"),
        ("ls && sudo -u root ${option.x}", "placeholder_as_command"),
        ("env A=b nohup ${option.x}", "placeholder_as_command"),
        ("timeout 5 ${option.x}", "placeholder_as_command"),
        ("exec ${option.x}", "placeholder_as_command"),
        ("find . -exec ${option.x} {} +", "placeholder_as_command"),
        ("a[${option.x}]=1", "placeholder_as_command"),
        ("eval echo ${option.x}", "placeholder_parsed_again"),
        ("sh -c ${option.x}", "placeholder_parsed_again"),
        ("bash -lc \"ls ${option.x}\"", "placeholder_parsed_again"),
        ("bash -c 'ls ${option.x}'", "placeholder_parsed_again"),
        ("/bin/zsh -x -c \"${option.x}\"", "placeholder_parsed_again"),
        ("$SHELL -c ${option.x}", "placeholder_parsed_again"),
        ("sudo bash -c \"ls ${option.x}\"", "placeholder_parsed_again"),
        ("ls | xargs sh -c 'echo ${option.x}'", "placeholder_parsed_again"),
        ("su - bob -c \"ls ${option.x}\"", "placeholder_parsed_again"),
        ("su --command=${option.x} bob", "placeholder_parsed_again"),
        ("ssh host ls ${option.x}", "placeholder_parsed_again"),
        (". ${option.x}", "placeholder_parsed_again"),
        ("source /etc/${option.x}", "placeholder_parsed_again"),
        ("trap ${option.x} EXIT", "placeholder_parsed_again"),
        ("env -S ${option.x}", "placeholder_parsed_again"),
        ("python3 -c 'print(${option.x})'", "placeholder_parsed_again"),
        ("sed -i s/a/${option.x}/ f", "placeholder_parsed_again"),
        ("awk '/${option.x}/' f", "placeholder_parsed_again"),
        ("export ${option.x}", "placeholder_parsed_again"),
        ("[[ ${option.x} -eq 1 ]]", "placeholder_parsed_again"),
        ("echo ${option.x} | sh", "placeholder_parsed_again"),
        ("echo ${option.x} | sudo bash -s", "placeholder_parsed_again"),
        ("docker exec -i web sh -c \"ls ${option.x}\"", "placeholder_parsed_again"),
        ("kubectl exec web -- /bin/bash -ec ls\\ ${option.x}", "placeholder_parsed_again"),
        ("bash -c $A ${option.x}", "placeholder_parsed_again"),
        ("bash $A ${option.x}", "placeholder_parsed_again"),
        ("$A ${option.x}", "placeholder_as_command"),
        ("`a` $(b) ${option.x}", "placeholder_as_command"),
        ("$SUDO eval ${option.x}", "placeholder_parsed_again"),
        ("sed $A ${option.x}", "placeholder_parsed_again"),
        ("${A}eval ${option.x}", "placeholder_parsed_again"),
        ("ev\"$(a)\"al ${option.x}", "placeholder_parsed_again"),
        ("\\\n let ${option.x}", "placeholder_parsed_again"),
        ("ev\\\nal ${option.x}", "placeholder_parsed_again"),
        ("echo \"$\\\n(eval ${option.x})\"", "continuation_in_expansion"),
        ("$A\\\nB ${option.x}", "continuation_in_expansion"),
        ("(\\\n(i = ${option.x}))", "continuation_in_expansion"),
        ("${A}test -v ${option.x}", "placeholder_parsed_again"),
        ("function f { ${option.x}; }", "placeholder_as_command"),
        ("time -p ${option.x}", "placeholder_as_command"),
        ("while ! ${option.x}; do ls; done", "placeholder_as_command"),
        ("find . -exec sh -c 'ls ${option.x}' \\;", "placeholder_parsed_again"),
        ("echo ${option.y}", "unknown_option"),
        ("echo ${option.x:-y}", "bad_placeholder"),
        ("echo ${options.x}", "unknown_placeholder"),
        ("echo ${run.nummer}", "unknown_placeholder"),
        ("echo ${data.x}", "unknown_placeholder"),
        ("echo ${option.x", "unterminated_placeholder"),
        ("mysql -p${option.password}", "secret_in_command"),
        ("echo 'a", "unterminated"),
        ("echo \"a", "unterminated"),
        ("echo $(a", "unterminated"),
        ("echo `a", "unterminated"),
        ("echo ${a", "unterminated"),
    ] {
        let got = codes(author);
        assert!(got.iter().any(|(_, c)| *c == code), "{author}: {got:?}");
        assert!(got.iter().all(|(offset, _)| *offset < author.len()), "{author}: {got:?}");
    }
}

#[test]
fn all_mistakes_come_at_once_with_place_and_hint() {
    let errors = compile("echo ${option.servise} $(ls ${option.x}) ${option.db_name}", &options()).unwrap_err();
    let got: Vec<(usize, &str)> = errors.iter().map(|e| (e.offset, e.code)).collect();
    assert_eq!(got, [(5, "unknown_option"), (28, "placeholder_in_substitution"), (41, "unknown_option")]);
    assert_eq!(errors[2].hint.as_deref(), Some("did you mean ${option.db-name}?"));
    assert!(errors[1].hint.as_deref().unwrap().contains("$OPTION_X"));
}

#[test]
fn options_that_share_a_variable_are_found() {
    let kind = || OptionKind::Boolean;
    let pairs = colliding_variables(&[spec("db-name", kind()), spec("x", kind()), spec("DB_name", kind())]);
    assert_eq!(pairs, [(OptionName::parse("db-name").unwrap(), OptionName::parse("DB_name").unwrap())]);
}

#[test]
fn scripts_with_placeholders_are_told_the_variable() {
    let errors = script_hint("echo ${option.db-name} @option.x@ ${HOME} me@option.org ${x.y}");
    let got: Vec<(usize, Option<&str>)> = errors.iter().map(|e| (e.offset, e.hint.as_deref())).collect();
    assert_eq!(got, [(5, Some("write \"$OPTION_DB_NAME\"")), (23, Some("write \"$OPTION_X\""))]);
    assert_eq!(script_hint("echo \"$OPTION_X\""), []);
}

#[test]
fn references_are_listed_once() {
    let name = |n: &str| Reference::Option(OptionName::parse(n).unwrap());
    assert_eq!(
        references("a ${option.x} \"${option.x}\" $(${option.y}) ${node.name} \\${option.z} ${HOME}"),
        [name("x"), name("y"), Reference::Node("name".to_owned())]
    );
}

#[test]
fn values_are_shown_quoted_in_their_place() {
    let values = BTreeMap::from([("OPTION_X".to_owned(), "a'b $c".to_owned())]);
    for (author, shown) in [
        ("systemctl restart ${option.x}", "systemctl restart 'a'\\''b $c'"),
        ("echo \"<${option.x}>\"", "echo \"<a'b \\$c>\""),
        ("echo '<${option.x}>'", "echo '<''a'\\''b $c''>'"),
        ("echo ${option.db-name} \\${option.x}", "echo \"$OPTION_DB_NAME\" \\${option.x}"),
    ] {
        assert_eq!(illustrate(&text(author), &values), shown);
    }
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(command in "[a-z $(){}'\"`\\\\#;|&<>\n=.é\\[\\]-]{0,40}(\\$\\{option\\.x\\})?[ '\")`}]{0,6}") {
        let _ = compile(&command, &options());
        let _ = illustrate(&command, &BTreeMap::new());
        let _ = (references(&command), script_hint(&command));
    }

    #[test]
    fn text_without_placeholders_is_left_alone(command in "[a-z $(){}'\"`\\\\#;|&<>\n=é-]{0,40}") {
        if let Ok(program) = compile(&command, &options()) {
            prop_assert_eq!(program.text, command);
            prop_assert!(program.variables.is_empty());
        }
    }
}
