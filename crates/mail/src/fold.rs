//! Plain text as mail programs show it: lines of a readable length, what somebody else wrote marked.

/// RFC 5322 asks for at most 78 characters a line; two are left for the `> ` of an answer.
const LINE_MAX_CHARS: usize = 76;
/// Marks what somebody else wrote.
const QUOTED: &str = "> ";
/// Begin a line whose next lines stand under its text.
const MARKS: [&str; 2] = [QUOTED, "- "];

/// Breaks long lines between words; a word that is longer, such as a link, keeps a line of its own. Ends
/// with a line break.
pub(crate) fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len() + text.len() / LINE_MAX_CHARS + 1);
    for line in text.lines() {
        fold_line(line, &mut folded);
    }
    folded
}

fn fold_line(line: &str, into: &mut String) {
    let mark = MARKS.into_iter().find(|mark| line.starts_with(mark)).unwrap_or_default();
    let next = if mark == QUOTED { mark } else { &"  "[..mark.len()] };
    let mut length = 0;
    for (index, word) in line.split(' ').enumerate() {
        let word_length = word.chars().count();
        if index > 0 && length >= mark.len().max(1) && length + 1 + word_length > LINE_MAX_CHARS {
            into.push('\n');
            into.push_str(next);
            length = next.len();
        } else if index > 0 {
            into.push(' ');
            length += 1;
        }
        into.push_str(word);
        length += word_length;
    }
    into.push('\n');
}

/// Every line of it marked.
pub(crate) fn quoted(text: &str) -> String {
    text.lines().map(|line| format!("{QUOTED}{line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_links_stay_whole() {
        let words = ["word"; 20].join(" ");
        let link = format!("https://example.com/{}", "x".repeat(80));
        let first = ["word"; 15].join(" ");
        for (text, expected) in [
            (String::new(), String::new()),
            ("short\n\n-- \nScrip".to_owned(), "short\n\n-- \nScrip\n".to_owned()),
            (words.clone(), format!("{first}\n{}\n", ["word"; 5].join(" "))),
            (format!("- {words}"), format!("- {first}\n  {}\n", ["word"; 5].join(" "))),
            (quoted(&words), format!("> {first}\n> {}\n", ["word"; 5].join(" "))),
            (format!("- {link}"), format!("- {link}\n")),
            (format!("See it here: {link} now"), format!("See it here:\n{link}\nnow\n")),
            (link.clone(), format!("{link}\n")),
        ] {
            assert_eq!(folded(&text), expected);
        }
    }

    #[test]
    fn every_line_of_a_quotation_is_marked() {
        assert_eq!(quoted("one\n\ntwo"), "> one\n> \n> two");
    }
}
