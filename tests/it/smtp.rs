//! Mails over a real SMTP conversation: each leaves once, whatever the server says at first.

use app::mails::{self, MailState, NewMail, Run, SentMail};
use app::{PageRequest, Principal};
use mail::{Letter, Transport};
use tests::post_office::{Hitch, PostOffice, Received};
use tests::shop::{Shop, in_each_shop};

const TO: &str = "ada@example.com";
const SENT: Run = Run { sent: 1, put_off: 0, failed: 0 };
const PUT_OFF: Run = Run { sent: 0, put_off: 1, failed: 0 };
const FAILED: Run = Run { sent: 0, put_off: 0, failed: 1 };
const NOTHING: Run = Run { sent: 0, put_off: 0, failed: 0 };

struct Post<'a> {
    shop: &'a Shop,
    office: PostOffice,
    transport: Transport,
}

impl<'a> Post<'a> {
    /// With one mail in the outbox.
    async fn with_a_mail(shop: &'a Shop, hitches: &[Hitch]) -> Post<'a> {
        let letter = Letter {
            subject: "Your credits".to_owned(),
            text: "A line.\n.A line with a full stop.\n".to_owned(),
            html: "<p>A line.</p>".to_owned(),
        };
        let new = NewMail { key: "the-test".to_owned(), recipient: TO.to_owned(), letter };
        assert!(mails::post(&shop.app, new.clone()).await.expect("a new mail"));
        assert!(!mails::post(&shop.app, new).await.expect("the same mail"), "once per key");
        let office = PostOffice::open(hitches).await;
        let transport = Transport::smtp(&office.url()).expect("a mail server");
        Post { shop, office, transport }
    }

    async fn run(&self) -> Run {
        mails::send_due(&self.shop.app, &self.transport).await.expect("a run")
    }

    async fn run_after(&self, seconds: i64) -> Run {
        self.shop.clock.advance_seconds(seconds);
        self.run().await
    }

    async fn row(&self) -> SentMail {
        let page = PageRequest { limit: Some(10), cursor: None };
        let listed = mails::list(&self.shop.app, &Principal::system(), None, &page).await.expect("a list");
        listed.data.into_iter().find(|mail| mail.key == "the-test").expect("the mail")
    }

    /// Nothing leaves again, however long one waits.
    async fn is_over(&self, state: MailState, taken: usize) {
        assert_eq!(self.run_after(30 * 86_400).await, NOTHING);
        assert!(self.office.is_through_with_hitches(), "every answer was given");
        assert_eq!((self.row().await.state, self.office.taken().len()), (state, taken), "{}", self.shop.name);
    }
}

fn message_id(mail: &Received) -> &str {
    let line = mail.text.lines().find(|line| line.starts_with("Message-ID:"));
    line.unwrap_or_else(|| panic!("no Message-ID: {}", mail.text))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_goes_over_the_wire_in_both_forms_and_once() {
    in_each_shop(async |shop| {
        let post = Post::with_a_mail(shop, &[]).await;
        assert_eq!(post.run().await, SENT);
        let [mail] = post.office.taken().try_into().expect("one mail");
        assert!(mail.recipient.contains(TO), "{}", mail.recipient);
        for part in [
            "Subject: Your credits",
            "To: ada@example.com",
            "text/plain",
            "\n.A line with a full stop.",
            "text/html",
            "<p>A line.</p>",
        ] {
            assert!(mail.text.contains(part), "{part:?} is not in {}", mail.text);
        }
        post.is_over(MailState::Sent, 1).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_later_gets_the_mail_later_and_once() {
    in_each_shop(async |shop| {
        let hitches = [
            ("MAIL", "421 closing, come back"),
            ("RCPT", "450 mailbox busy"),
            (".", "451 out of disk, the mail is not kept"),
        ];
        let post = Post::with_a_mail(shop, &hitches).await;
        assert_eq!(post.run().await, PUT_OFF);
        assert_eq!(post.run_after(59).await, NOTHING, "not before its pause is over");
        assert_eq!(post.run_after(1).await, PUT_OFF);
        assert_eq!(post.run_after(120).await, PUT_OFF, "the second pause is twice as long");
        let row = post.row().await;
        assert_eq!((row.state, row.attempts), (MailState::Pending, 3));
        assert!(row.error.as_ref().is_some_and(|why| why.contains("451")), "the server says why: {row:?}");
        assert!(post.office.taken().is_empty());
        assert_eq!(post.run_after(240).await, SENT);
        let [refused, taken] = post.office.received().try_into().expect("two reached the end");
        assert_eq!(message_id(&refused), message_id(&taken), "it is the same mail");
        post.is_over(MailState::Sent, 1).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_never_is_not_asked_again_before_an_operator_says_so() {
    in_each_shop(async |shop| {
        let post = Post::with_a_mail(shop, &[("RCPT", "550 no such user here")]).await;
        assert_eq!(post.run().await, FAILED);
        let row = post.row().await;
        assert!(row.error.is_some_and(|why| why.contains("no such user here")));
        post.is_over(MailState::Failed, 0).await;
    })
    .await;
}
