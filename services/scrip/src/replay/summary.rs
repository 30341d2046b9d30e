use std::fmt;

use kernel::Credits;

use super::trace::TraceRow;
use super::{JournalTotals, ReplayError};

/// The client's own log, added up: what was sent and what the answers said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub rows: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
    /// The sum of all receipts.
    pub captured: Credits,
    /// Answers that the server had given before.
    pub replayed: u64,
    /// Answers that changed something.
    pub new: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplaySummary {
    /// SHA-256 of the file, in hexadecimal.
    pub trace_hash: String,
    pub customer: String,
    pub tally: Tally,
    pub journal: JournalTotals,
}

impl Tally {
    pub(super) fn answered(&mut self, replayed: bool) {
        if replayed { self.replayed += 1 } else { self.new += 1 }
    }

    pub(super) fn captured(&mut self, row: TraceRow, credits: Credits) -> Result<(), ReplayError> {
        self.merge(&Tally {
            rows: 1,
            input_tokens: row.input_tokens,
            output_tokens: row.output_tokens,
            captured: credits,
            ..Tally::default()
        })
    }

    pub(super) fn merge(&mut self, other: &Tally) -> Result<(), ReplayError> {
        let add = |a: u64, b: u64| a.checked_add(b).ok_or(ReplayError::TooLarge("tokens"));
        self.rows += other.rows;
        self.input_tokens = add(self.input_tokens, other.input_tokens)?;
        self.output_tokens = add(self.output_tokens, other.output_tokens)?;
        self.captured = self.captured.checked_add(other.captured).ok_or(ReplayError::TooLarge("receipts"))?;
        self.replayed += other.replayed;
        self.new += other.new;
        Ok(())
    }
}

impl ReplaySummary {
    /// The server's journal says exactly what the client's own log says.
    pub fn is_exact(&self) -> bool {
        self.differences().is_empty()
    }

    /// One sentence per total in which journal and trace differ.
    pub fn differences(&self) -> Vec<String> {
        let (trace, journal) = (&self.tally, &self.journal);
        let mut found = Vec::new();
        if trace.rows != journal.captures {
            found.push(format!("{} receipts were given, the journal has {}", trace.rows, journal.captures));
        }
        if trace.captured != journal.spent {
            found.push(format!(
                "the receipts say {} credits, the journal says {}",
                trace.captured, journal.spent
            ));
        }
        found
    }
}

impl fmt::Display for ReplaySummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace, journal) = (&self.tally, &self.journal);
        writeln!(f, "customer  {}", self.customer)?;
        writeln!(
            f,
            "trace     {} requests, {} input tokens, {} output tokens",
            trace.rows, trace.input_tokens, trace.output_tokens
        )?;
        writeln!(f, "receipts  {}, {} credits", trace.rows, trace.captured)?;
        writeln!(f, "journal   {} captures, {} credits spent", journal.captures, journal.spent)?;
        write!(f, "answers   {} new, {} replayed", trace.new, trace.replayed)?;
        if trace.new == 0 {
            write!(f, ": this trace was here before, nothing changed")?;
        }
        writeln!(f)?;
        match self.differences().as_slice() {
            [] => write!(f, "journal = trace"),
            found => write!(f, "journal and trace DIFFER: {}", found.join("; ")),
        }
    }
}
