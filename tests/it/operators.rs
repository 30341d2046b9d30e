//! Operators are made on the command line, and never out of a customer's account.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use app::accounts::NewOperator;
use app::accounts::{Credentials, Role, create_operator, operators, revoke_operator, session, sign_in};
use app::{AppError, Principal};
use tests::scratch::ScratchDir;
use tests::shop::account;
use tests::test_app::on_each_database;

const EXECUTABLE: &str = env!("CARGO_BIN_EXE_scrip-under-test");
const PASSWORD: &str = "three sunny words";

fn operator(email: &str) -> NewOperator {
    NewOperator { email: email.to_owned(), name: "Olga".to_owned(), password: PASSWORD.to_owned() }
}

fn credentials(email: &str, role: Role) -> Credentials {
    let (email, password) = (email.to_owned(), PASSWORD.to_owned());
    Credentials { email, password, role, user_agent: String::new(), network: None, earlier: None }
}

#[tokio::test]
async fn a_customers_address_makes_no_operator_and_an_operators_end_is_the_end_of_their_sessions() {
    on_each_database(async |shop| {
        let (app, system) = (&shop.app, Principal::system());
        account(app, "Ada", "ada@example.com", PASSWORD).await;
        let refused = create_operator(app, &system, operator(" ADA@example.com")).await;
        assert!(matches!(refused, Err(AppError::Conflict { code: "email_taken", .. })), "{refused:?}");
        let refused = revoke_operator(app, &system, "ada@example.com").await;
        assert!(matches!(refused, Err(AppError::NotFound { .. })), "{refused:?}");
        sign_in(app, credentials("ada@example.com", Role::Customer))
            .await
            .expect("the customer is as before");

        create_operator(app, &system, operator("olga@example.com")).await.expect("an operator");
        let again = create_operator(app, &system, operator("Olga@example.com")).await;
        assert!(matches!(again, Err(AppError::Conflict { code: "email_taken", .. })), "{again:?}");
        let signed_in =
            sign_in(app, credentials("olga@example.com", Role::Operator)).await.expect("signed in");
        let listed = operators(app, &system).await.expect("a list");
        assert_eq!(listed.iter().map(|user| user.email.as_str()).collect::<Vec<_>>(), ["olga@example.com"]);

        revoke_operator(app, &system, "olga@example.com").await.expect("revoked");
        assert_eq!(session(app, &signed_in.token).await.expect("an answer"), None);
        assert!(sign_in(app, credentials("olga@example.com", Role::Operator)).await.is_err());
        assert!(operators(app, &system).await.expect("a list").is_empty());
    })
    .await;
}

#[test]
fn the_command_prints_a_password_once_or_takes_one_from_standard_input() {
    let folder = ScratchDir::new("operators");
    let run = |arguments: &[&str], input: &str| scrip(folder.path(), arguments, input);
    let printed = text(&run(&["operators", "create", "--email", "olga@example.com"], ""));
    let password = printed.lines().find_map(|line| line.strip_prefix("password  ")).expect("a password");
    assert!(password.len() > 20, "{password}");
    let printed = text(&run(
        &["operators", "create", "--email", "petra@example.com", "--name", "Petra", "--password-stdin"],
        "four quiet little words\n",
    ));
    assert!(!printed.contains("quiet"), "{printed}");
    let list = text(&run(&["operators", "list"], ""));
    assert!(list.lines().count() == 2 && list.contains("petra@example.com  Petra"), "{list}");
    assert!(!list.contains(password));
    let short = run(&["operators", "create", "--email", "q@example.com", "--password-stdin"], "short\n");
    assert!(
        !short.status.success() && String::from_utf8_lossy(&short.stderr).contains("password"),
        "{short:?}"
    );
    assert!(text(&run(&["operators", "revoke", "olga@example.com"], "")).contains("revoked"));
    assert!(!run(&["operators", "revoke", "olga@example.com"], "").status.success());
}

fn scrip(folder: &std::path::Path, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(EXECUTABLE);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|n| n.starts_with("SCRIP_")) {
            command.env_remove(name);
        }
    }
    let mut child = command
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
    child.wait_with_output().expect("it ends")
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
