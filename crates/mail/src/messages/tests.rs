use super::*;

const PAYLOAD: &str = "<script>alert(\"x\")</script>";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Every message, with `name` wherever text comes from outside.
/// Goes to an address of which nothing else is known.
const NAMELESS: &str = "welcome";

fn samples(name: &str) -> Vec<(&'static str, Letter)> {
    let sender = || "Pixel Works".to_owned();
    let name = || name.to_owned();
    let welcome = Welcome {
        sender: sender(),
        verify_url: "https://credits.example.com/verify?token=3q2-7w".to_owned(),
        link_expires_at: at("2026-03-02T12:00:00Z"),
    };
    let hold_link = HoldLink {
        sender: sender(),
        name: name(),
        confirm_url: "https://credits.example.com/verify?token=3q2-7w".to_owned(),
        link_expires_at: at("2026-03-02T13:00:00Z"),
        settings_url: "https://credits.example.com/settings".to_owned(),
    };
    let refunded = Refunded {
        sender: sender(),
        name: name(),
        amount: Money { amount: 4500, currency: kernel::Currency::USD },
        bought_at: at("2026-03-01T12:00:00Z"),
        credits: Credits::whole(500),
        available: Credits::ZERO,
        debt: Credits::whole(120),
        reference: "chk_01hx5zzkbkactav9wevgemmvrz".to_owned(),
        activity_url: "https://credits.example.com/activity".to_owned(),
    };
    let answer = ProblemAnswer {
        sender: sender(),
        name: name(),
        credits: Credits::whole(18),
        text: format!("Both pictures are black.\nHere is what I asked for. {}", name()),
        answer: "You are right: the model failed and still reported a picture. The charge is undone."
            .to_owned(),
        receipt_url: "https://credits.example.com/receipts/rct_1".to_owned(),
    };
    let receipt = Receipt {
        sender: sender(),
        name: name(),
        credits: Credits::whole(500),
        paid: Money { amount: 4500, currency: kernel::Currency::USD },
        bought_at: at("2026-03-01T12:00:00Z"),
        expires_at: Some(at("2027-03-01T12:00:00Z")),
        reference: "chk_01hx5zzkbkactav9wevgemmvrz".to_owned(),
        lines: vec![ReceiptLine {
            what: format!("500 credits {}", name()),
            amount: Money { amount: 4500, currency: kernel::Currency::USD },
        }],
        available: Credits::from_micros(512_500_000),
        receipt_url: "https://credits.example.com/activity".to_owned(),
    };
    let expiring = Expiring {
        sender: sender(),
        name: name(),
        credits: Credits::from_micros(120_250_000),
        kind: "purchase".to_owned(),
        expires_at: at("2026-03-08T12:00:00Z"),
        days_left: 7,
        available: Credits::whole(300),
        balance_url: "https://credits.example.com/".to_owned(),
    };
    let low = LowBalance {
        sender: sender(),
        name: name(),
        available: Credits::whole(42),
        last_purchase: Credits::whole(500),
        buy_url: "https://credits.example.com/buy".to_owned(),
    };
    let fact = |label: &str, value: &str, needs_attention| Fact {
        label: label.to_owned(),
        value: value.to_owned(),
        needs_attention,
    };
    let digest = Digest {
        sender: sender(),
        title: "Caught up after 3 hours".to_owned(),
        from: at("2026-03-01T00:00:00Z"),
        until: at("2026-03-02T00:00:00Z"),
        facts: vec![
            fact("Expiries posted", "1,204", false),
            fact("Failed gateway events", "2", true),
            fact(
                "Purchases compared with the gateway",
                "3 asked about, 1 repaired; the gateway was slow",
                false,
            ),
            fact(&name(), "0", false),
        ],
        console_url: "https://credits.example.com/console".to_owned(),
    };
    let reset = PasswordReset {
        sender: sender(),
        name: name(),
        reset_url: "https://credits.example.com/reset?token=3q2-7w".to_owned(),
        link_expires_at: at("2026-03-01T13:00:00Z"),
    };
    let known = KnownAddress {
        sender: sender(),
        name: name(),
        sign_in_url: "https://credits.example.com/sign-in".to_owned(),
        forgot_url: "https://credits.example.com/forgot".to_owned(),
    };
    let problem = Problem {
        sender: sender(),
        customer: name(),
        reporter: "ada@example.com".to_owned(),
        receipt: "rct_00t4150gq674qxpb8qnc09gvhpg00000000007h".to_owned(),
        credits: Credits::whole(18),
        text: format!("Both pictures are black. {}", name()),
        console_url: "https://credits.example.com/console/problems".to_owned(),
    };
    let held = Held {
        sender: sender(),
        name: name(),
        why: format!("Your credits were used much faster than usual. {}", name()),
        step_up: "Confirm your mail address on that page, and new work begins at once.".to_owned(),
        until: Some(at("2026-03-02T12:00:00Z")),
        page_url: "https://credits.example.com/on-hold".to_owned(),
    };
    let released =
        Released { sender: sender(), name: name(), balance_url: "https://credits.example.com/".to_owned() };
    let answered = Answered {
        sender: sender(),
        name: name(),
        appeal: format!("It was my own batch. {}", name()),
        text: format!("Thank you, we see it now. {}", name()),
        page_url: "https://credits.example.com/on-hold".to_owned(),
    };
    let case = CaseAlert {
        sender: sender(),
        customer: name(),
        verdict: "restrict".to_owned(),
        reasons: vec![format!("About 40 requests follow one template. {}", name())],
        at_risk: Credits::whole(1_200),
        until: Some(at("2026-03-02T12:00:00Z")),
        console_url: "https://credits.example.com/console/risk/cas_1".to_owned(),
    };
    let appeal = Appeal {
        sender: sender(),
        customer: name(),
        from: "ada@example.com".to_owned(),
        text: format!("It was my own batch. {}", name()),
        console_url: "https://credits.example.com/console/risk/cas_1".to_owned(),
    };
    vec![
        ("held", held.letter().unwrap()),
        ("released", released.letter().unwrap()),
        ("answered", answered.letter().unwrap()),
        ("case_alert", case.letter().unwrap()),
        ("appeal", appeal.letter().unwrap()),
        ("password_reset", reset.letter().unwrap()),
        ("known_address", known.letter().unwrap()),
        ("problem", problem.letter().unwrap()),
        ("problem_answer", answer.letter().unwrap()),
        ("hold_link", hold_link.letter().unwrap()),
        ("refunded", refunded.letter().unwrap()),
        ("welcome", welcome.letter().unwrap()),
        ("receipt", receipt.letter().unwrap()),
        ("expiring", expiring.letter().unwrap()),
        ("low_balance", low.letter().unwrap()),
        ("digest", digest.letter().unwrap()),
    ]
}

#[test]
fn every_message_says_the_same_in_text_and_html() {
    for (name, letter) in samples("Ada") {
        let named = letter.text.contains("Ada") && letter.html.contains("Ada");
        assert_eq!(named, name != NAMELESS, "{name}");
        assert!(letter.text.contains("https://credits.example.com/"), "{name}");
        assert!(letter.html.contains("href=\"https://credits.example.com/"), "{name}");
        assert!(letter.html.starts_with("<!doctype html>"), "{name}");
        assert!(!letter.subject.is_empty() && !letter.text.contains('<'), "{name}");
        if let Some(folder) = std::env::var_os("SCRIP_TEST_MAIL_DIR") {
            std::fs::write(std::path::Path::new(&folder).join(format!("{name}.html")), &letter.html).unwrap();
            std::fs::write(std::path::Path::new(&folder).join(format!("{name}.txt")), &letter.text).unwrap();
        }
    }
}

#[test]
fn a_script_in_a_name_is_shown_as_text() {
    for (name, letter) in samples(PAYLOAD).into_iter().filter(|(name, _)| *name != NAMELESS) {
        assert!(!letter.html.contains("<script"), "{name}");
        assert!(letter.html.contains("&#60;script&#62;"), "{name}");
        assert!(letter.text.contains(PAYLOAD), "{name}: text is not HTML");
    }
}

#[test]
fn no_mail_loads_anything() {
    for (name, letter) in samples("Ada") {
        for part in ["<img", "src=", "url(", "<link", "@import"] {
            assert!(!letter.html.contains(part), "{name}: {part}");
        }
    }
}

#[test]
fn the_last_day_is_named_as_such() {
    let subject = |days_left| {
        let mail = Expiring {
            sender: String::new(),
            name: String::new(),
            credits: Credits::whole(5),
            kind: String::new(),
            expires_at: Timestamp::EPOCH,
            days_left,
            available: Credits::ZERO,
            balance_url: String::new(),
        };
        mail.subject()
    };
    assert_eq!(subject(1), "5 credits expire within a day");
    assert_eq!(subject(30), "5 credits expire in 30 days");
}

#[test]
fn no_line_is_long_and_none_breaks_a_link() {
    for (name, letter) in samples("Ada") {
        for line in letter.text.lines() {
            let is_one_word = !line.trim_start_matches([' ', '>', '-']).contains(' ');
            assert!(line.chars().count() <= 76 || is_one_word, "{name}: {line}");
        }
        let links = letter.text.split_whitespace().filter(|word| word.starts_with("https://"));
        assert!(links.clone().count() > 0 && links.clone().all(|link| letter.html.contains(link)), "{name}");
    }
}

/// Every template of this folder is a message of the samples.
#[test]
fn no_template_is_without_its_sample() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/templates/mail");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let all: std::collections::BTreeSet<String> =
        files.map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    let known = samples("Ada").into_iter().map(|(name, _)| name.to_owned());
    let known = known.chain(["frame".to_owned()]).collect();
    assert_eq!(all, known);
}

#[test]
fn who_was_blocked_is_not_said_to_be_on_hold() {
    let alert = |verdict: &str| CaseAlert {
        sender: String::new(),
        customer: "Ada".to_owned(),
        verdict: verdict.to_owned(),
        reasons: Vec::new(),
        at_risk: Credits::whole(5),
        until: None,
        console_url: String::new(),
    };
    for (verdict, what) in [("block", "was blocked"), ("restrict", "was put on hold")] {
        let letter = alert(verdict).letter().unwrap();
        for part in [&letter.subject, &letter.text, &letter.html] {
            assert!(part.contains(what), "{part}");
        }
    }
}
