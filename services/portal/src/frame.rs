//! The customer behind a session, and what the layout shows them.

use app::wallets::WalletView;
use app::{CustomerRef, Principal, payments, wallets};
use kernel::CustomerId;
use site::{Banner, Failure, Flash, Member, NavItem, Shell, Tone, Visitor, credits};

/// Where somebody reads why nothing new can begin.
pub const ON_HOLD: &str = "/on-hold";
const ON_HOLD_BANNER: Banner = Banner {
    text: "New work waits; what runs already goes on, and your credits stay yours.",
    path: ON_HOLD,
    label: "Why, and what to do",
};

/// Who asks, and about whom: always themselves.
pub struct Me {
    pub id: CustomerId,
    pub customer: CustomerRef,
    pub principal: Principal,
}

pub fn me(member: &Member) -> Result<Me, Failure> {
    let id = member.customer()?;
    Ok(Me { id, customer: CustomerRef::Id(id), principal: member.session.user.principal() })
}

/// The layout of a page that does not read the wallet itself.
pub async fn shell(member: &Member, me: &Me, title: &str, path: &'static str) -> Result<Shell, Failure> {
    let wallet = wallets::view(member.visitor.site.app(), &me.principal, &me.customer, None).await?;
    Ok(shell_with(&member.visitor, title, path, &wallet))
}

pub fn shell_with(visitor: &Visitor, title: &str, path: &'static str, wallet: &WalletView) -> Shell {
    let buy = payments::is_configured(visitor.site.app()).then_some(("Buy", "/buy"));
    let pages = [("Balance", "/")].into_iter().chain(buy).chain([
        ("Activity", "/activity"),
        ("Prices", "/prices"),
        ("Developers", "/developers"),
        ("Settings", "/settings"),
    ]);
    Shell {
        nav: pages.map(|(label, to)| NavItem { label, path: to, is_current: to == path }).collect(),
        balance: Some(credits(wallet.available)),
        banner: wallet.restriction.filter(|_| path != ON_HOLD).map(|_| ON_HOLD_BANNER),
        ..open_shell(visitor, title)
    }
}

/// The layout of pages that need no session.
pub fn open_shell(visitor: &Visitor, title: &str) -> Shell {
    let pages = [("Prices", "/prices"), ("Sign in", "/sign-in"), ("Create an account", "/sign-up")];
    Shell {
        nav: pages.map(|(label, path)| NavItem { label, path, is_current: label == title }).to_vec(),
        flash: visitor.flash.as_deref().and_then(message),
        ..Shell::of(title, visitor)
    }
}

/// A public page: with the navigation for those who are signed in.
pub async fn public_shell(visitor: &Visitor, title: &str, path: &'static str) -> Result<Shell, Failure> {
    let Some(session) = visitor.session.clone() else { return Ok(open_shell(visitor, title)) };
    let member = Member { visitor: visitor.clone(), session };
    shell(&member, &me(&member)?, title, path).await
}

/// Messages that a page leaves for the next one; the cookie holds the code only.
fn message(code: &str) -> Option<Flash> {
    let (tone, text) = match code {
        "opened" => (Tone::Good, "Your account is open."),
        "signed-out" => (Tone::Good, "You are signed out."),
        "renamed" => (Tone::Good, "Your name is saved."),
        "password-changed" => (Tone::Good, "Your password is changed. Every other session has ended."),
        "session-ended" => (Tone::Good, "The session has ended."),
        "sessions-ended" => (Tone::Good, "All other sessions have ended."),
        "reset-sent" => (
            Tone::Good,
            "If there is an account with this address, a link to a new password is on its way. It works for \
             an hour.",
        ),
        "reset-done" => (Tone::Good, "Your password is changed. Sign in with it."),
        "reset-unknown" => (Tone::Bad, "This link is not valid any more. Ask for another."),
        "signed-out-everywhere" => (Tone::Good, "You are signed out on every browser."),
        "hold-link-sent" => (
            Tone::Good,
            "A link is on its way to your address. Open it within the hour and confirm there; then you can go on at once.",
        ),
        "appealed" => (Tone::Good, "Thank you. What you wrote reached us; somebody looks at it."),
        "reported" => (Tone::Good, "Thank you. Your report reached us; we look at it and write to you."),
        "key-revoked" => (Tone::Good, "The key is revoked. It stops working within a second."),
        "open-already" => (Tone::Good, "This account is open. Sign in with its password."),
        "hold-lifted" => (Tone::Good, "Thank you. Your address is confirmed once more."),
        "link-unknown" => {
            (Tone::Bad, "This link is not valid any more. Ask for another: for a new account sign up again.")
        }
        _ => return None,
    };
    Some(Flash::new(tone, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_from_elsewhere_puts_no_words_on_a_page() {
        assert!(message("opened").is_some());
        assert!(message("<script>").is_none());
    }
}
