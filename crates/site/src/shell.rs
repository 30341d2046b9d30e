//! What the layout shows around every page.

use askama::Template;

use crate::{Failure, Visitor, style_path};

/// The frame of a page: `web/templates/layout.html`.
#[derive(Clone, Debug)]
pub struct Shell {
    pub title: String,
    pub brand: &'static str,
    /// Where the brand leads.
    pub home: &'static str,
    pub style: String,
    pub nav: Vec<NavItem>,
    /// The pages of the part that the current one is in, if it has several.
    pub tabs: Vec<NavItem>,
    /// Available credits, in the header of every page of a customer.
    pub balance: Option<String>,
    /// Who is signed in.
    pub user: Option<String>,
    pub sign_out_path: &'static str,
    pub flash: Option<Flash>,
    /// What somebody must know on every page.
    pub banner: Option<Banner>,
    pub form_token: String,
    /// In front of links to the public pages.
    pub public_pages: String,
}

#[derive(Clone, Debug)]
pub struct NavItem {
    pub label: &'static str,
    pub path: &'static str,
    pub is_current: bool,
}

/// A message of the page before, or about the form that was sent.
#[derive(Clone, Debug)]
pub struct Flash {
    pub tone: Tone,
    pub text: String,
}

/// One sentence and the page that says more.
#[derive(Clone, Debug)]
pub struct Banner {
    pub text: &'static str,
    pub path: &'static str,
    pub label: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Good,
    Note,
    Bad,
}

impl Shell {
    /// Without a visitor: error pages.
    pub fn plain(title: &str) -> Shell {
        Shell {
            title: title.to_owned(),
            brand: "Scrip",
            home: "/",
            style: style_path(),
            nav: Vec::new(),
            tabs: Vec::new(),
            balance: None,
            user: None,
            sign_out_path: "/sign-out",
            flash: None,
            banner: None,
            form_token: String::new(),
            public_pages: String::new(),
        }
    }

    pub fn of(title: &str, visitor: &Visitor) -> Shell {
        Shell {
            user: visitor.session.as_ref().map(|session| session.user.name.clone()),
            form_token: visitor.form_token(),
            public_pages: visitor.site.inner.public_pages.clone(),
            ..Shell::plain(title)
        }
    }
}

impl Flash {
    pub fn new(tone: Tone, text: impl Into<String>) -> Flash {
        Flash { tone, text: text.into() }
    }
}

impl Tone {
    /// The word before the text, so that nothing is told by colour alone.
    pub fn word(self) -> &'static str {
        match self {
            Tone::Good => "Done",
            Tone::Note => "Note",
            Tone::Bad => "Not done",
        }
    }

    pub fn class(self) -> &'static str {
        match self {
            Tone::Good => "good",
            Tone::Note => "note",
            Tone::Bad => "bad",
        }
    }
}

/// The page as text. A template that cannot be written is our defect.
pub fn render(page: &impl Template) -> Result<String, Failure> {
    page.render().map_err(|error| Failure::Broken(error.to_string()))
}
