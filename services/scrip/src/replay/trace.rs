use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::ReplayError;

/// The longest line that is read; the longest of the known traces has 3 KB.
const MAX_LINE_BYTES: u64 = 1024 * 1024;
const READ_BUFFER_BYTES: usize = 64 * 1024;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A file that was read once from end to end: known format, every row readable.
/// Its rows stay on disk; nothing is sent for a file with a broken line.
#[derive(Debug)]
pub(super) struct Trace {
    path: PathBuf,
    format: Format,
    hash: String,
    rows: u64,
}

/// One LLM request of the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TraceRow {
    /// From 1, in the order of the file.
    pub row: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// Azure's public LLM traces: a header, then time, context tokens, generated tokens.
    AzureCsv { input_column: usize, output_column: usize },
    /// Mooncake's traces: one JSON object per line.
    MooncakeJsonl,
}

#[derive(Deserialize)]
struct MooncakeRow {
    input_length: u64,
    output_length: u64,
}

impl Trace {
    pub fn survey(path: &Path) -> Result<Trace, ReplayError> {
        let hash = hash_of(path).map_err(|source| read_error(path, source))?;
        let format = Format::of(path)?;
        let mut trace = Trace { path: path.to_owned(), format, hash, rows: 0 };
        for row in trace.read()? {
            trace.rows = row?.row;
        }
        if trace.rows == 0 {
            return Err(not_a_trace(path, "it has no rows"));
        }
        Ok(trace)
    }

    pub fn hash(&self) -> &str {
        &self.hash
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The rows in the order of the file, one line in memory at a time.
    pub fn read(&self) -> Result<Rows, ReplayError> {
        let mut lines = Lines::open(&self.path)?;
        if let Format::AzureCsv { .. } = self.format {
            lines.next().transpose()?;
        }
        Ok(Rows { lines, format: self.format, row: 0 })
    }
}

pub(super) struct Rows {
    lines: Lines,
    format: Format,
    row: u64,
}

impl Iterator for Rows {
    type Item = Result<TraceRow, ReplayError>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = match self.lines.next()? {
            Ok(line) => line,
            Err(error) => return Some(Err(error)),
        };
        self.row += 1;
        let tokens = self.format.tokens(&line).map_err(|reason| self.lines.bad_line(reason));
        Some(tokens.map(|(input_tokens, output_tokens)| TraceRow {
            row: self.row,
            input_tokens,
            output_tokens,
        }))
    }
}

impl Format {
    fn of(path: &Path) -> Result<Format, ReplayError> {
        let first = Lines::open(path)?.next().transpose()?;
        match first {
            None => Err(not_a_trace(path, "it is empty")),
            Some(line) if line.trim_start().starts_with('{') => Ok(Format::MooncakeJsonl),
            Some(line) => Format::of_header(&line).map_err(|reason| not_a_trace(path, &reason)),
        }
    }

    fn of_header(line: &str) -> Result<Format, String> {
        let names: Vec<String> = fields(line)?.iter().map(letters).collect();
        let column = |wanted: &str| names.iter().position(|name| name == wanted);
        match (column("contexttokens"), column("generatedtokens")) {
            (Some(input_column), Some(output_column)) => Ok(Format::AzureCsv { input_column, output_column }),
            _ if column("requesttype").is_some() && column("value").is_some() => {
                Err("it holds request rates over time (Alibaba's QPS), not single requests".to_owned())
            }
            _ => Err("it is neither an Azure CSV (columns ContextTokens and GeneratedTokens) \
                nor a Mooncake JSONL (members input_length and output_length)"
                .to_owned()),
        }
    }

    /// Input and output tokens of one line.
    fn tokens(self, line: &str) -> Result<(u64, u64), String> {
        match self {
            Format::AzureCsv { input_column, output_column } => {
                let fields = fields(line)?;
                Ok((count(&fields, input_column)?, count(&fields, output_column)?))
            }
            Format::MooncakeJsonl => {
                let row: MooncakeRow = serde_json::from_str(line).map_err(|e| e.to_string())?;
                Ok((row.input_length, row.output_length))
            }
        }
    }
}

fn fields(line: &str) -> Result<csv::StringRecord, String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
    let mut record = csv::StringRecord::new();
    reader.read_record(&mut record).map_err(|e| e.to_string())?;
    Ok(record)
}

fn count(fields: &csv::StringRecord, column: usize) -> Result<u64, String> {
    let text = fields.get(column).ok_or_else(|| format!("column {} is missing", column + 1))?;
    text.trim().parse().map_err(|_| format!("`{text}` is not a number of tokens"))
}

/// `Context Tokens`, `context_tokens` and `ContextTokens` are one name.
fn letters(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_lowercase()).collect()
}

/// The lines of a file, plain or gzipped, without empty ones.
struct Lines {
    path: PathBuf,
    reader: BufReader<Box<dyn Read + Send>>,
    line: u64,
}

impl Lines {
    fn open(path: &Path) -> Result<Lines, ReplayError> {
        let reader = decompressed(path).map_err(|source| read_error(path, source))?;
        Ok(Lines {
            path: path.to_owned(),
            reader: BufReader::with_capacity(READ_BUFFER_BYTES, reader),
            line: 0,
        })
    }

    fn bad_line(&self, reason: String) -> ReplayError {
        ReplayError::BadLine { path: self.path.clone(), line: self.line, reason }
    }

    fn read_line(&mut self) -> Result<Option<String>, ReplayError> {
        self.line += 1;
        let mut bytes = Vec::new();
        let mut bounded = (&mut self.reader).take(MAX_LINE_BYTES + 1);
        bounded.read_until(b'\n', &mut bytes).map_err(|source| read_error(&self.path, source))?;
        if bytes.is_empty() {
            return Ok(None);
        }
        if bytes.len() as u64 > MAX_LINE_BYTES {
            return Err(self.bad_line(format!("is longer than {MAX_LINE_BYTES} bytes")));
        }
        let text = String::from_utf8(bytes).map_err(|_| self.bad_line("is not UTF-8".to_owned()))?;
        Ok(Some(text.trim_start_matches('\u{feff}').trim_end().to_owned()))
    }
}

impl Iterator for Lines {
    type Item = Result<String, ReplayError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.read_line() {
                Ok(Some(line)) if line.is_empty() => {}
                other => return other.transpose(),
            }
        }
    }
}

fn decompressed(path: &Path) -> io::Result<Box<dyn Read + Send>> {
    let mut file = BufReader::with_capacity(READ_BUFFER_BYTES, File::open(path)?);
    if file.fill_buf()?.starts_with(&GZIP_MAGIC) {
        Ok(Box::new(MultiGzDecoder::new(file)))
    } else {
        Ok(Box::new(file))
    }
}

/// SHA-256 of the bytes on disk, in hexadecimal.
fn hash_of(path: &Path) -> io::Result<String> {
    let mut reader = BufReader::with_capacity(READ_BUFFER_BYTES, File::open(path)?);
    let mut hasher = Sha256::new();
    loop {
        let chunk = reader.fill_buf()?;
        if chunk.is_empty() {
            break;
        }
        hasher.update(chunk);
        let read = chunk.len();
        reader.consume(read);
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn read_error(path: &Path, source: io::Error) -> ReplayError {
    ReplayError::Read { path: path.to_owned(), source }
}

fn not_a_trace(path: &Path, reason: &str) -> ReplayError {
    ReplayError::NotATrace { path: path.to_owned(), reason: reason.to_owned() }
}
