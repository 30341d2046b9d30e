//! Reads what `numpy.savez_compressed` writes: a zip archive of arrays.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use ndarray::Array2;

/// The arrays of one archive by name, as floats; an array of one dimension is one column.
pub struct Archive(BTreeMap<String, Array2<f64>>);

const END_OF_DIRECTORY: [u8; 4] = *b"PK\x05\x06";
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

impl Archive {
    pub fn open(path: &Path) -> Result<Archive, String> {
        let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        read_zip(&bytes).map_err(|e| format!("{}: {e}", path.display()))
    }

    pub fn matrix(&self, name: &str) -> Result<&Array2<f64>, String> {
        self.0.get(name).ok_or_else(|| format!("there is no array {name}"))
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positions in an array")]
    pub fn positions(&self, name: &str) -> Result<Vec<usize>, String> {
        Ok(self.matrix(name)?.iter().map(|v| *v as usize).collect())
    }
}

fn read_zip(bytes: &[u8]) -> Result<Archive, String> {
    let end = bytes
        .windows(4)
        .rposition(|window| window == END_OF_DIRECTORY)
        .ok_or("this is no zip archive, and an .npz file is one")?;
    let count = number(bytes, end + 10, 2)?;
    let mut at = number(bytes, end + 16, 4)?;
    let mut arrays = BTreeMap::new();
    for _ in 0..count {
        let method = u16::try_from(number(bytes, at + 10, 2)?).map_err(|e| e.to_string())?;
        let packed_length = number(bytes, at + 20, 4)?;
        let (name_length, extra, comment) =
            (number(bytes, at + 28, 2)?, number(bytes, at + 30, 2)?, number(bytes, at + 32, 2)?);
        let local = number(bytes, at + 42, 4)?;
        let name = String::from_utf8_lossy(part(bytes, at + 46, name_length)?).into_owned();
        let start = local + 30 + number(bytes, local + 26, 2)? + number(bytes, local + 28, 2)?;
        let packed = part(bytes, start, packed_length)?;
        let content = match method {
            STORED => packed.to_vec(),
            DEFLATED => {
                let mut content = Vec::new();
                flate2::read::DeflateDecoder::new(packed)
                    .read_to_end(&mut content)
                    .map_err(|e| format!("{name}: {e}"))?;
                content
            }
            other => return Err(format!("{name} is packed by method {other}, which is not known here")),
        };
        let array = read_npy(&content).map_err(|e| format!("{name}: {e}"))?;
        arrays.insert(name.trim_end_matches(".npy").to_owned(), array);
        at += 46 + name_length + extra + comment;
    }
    Ok(Archive(arrays))
}

/// Version 1 to 3 of the format: a header that is a Python literal, then the values.
fn read_npy(bytes: &[u8]) -> Result<Array2<f64>, String> {
    if part(bytes, 0, 6)? != b"\x93NUMPY" {
        return Err("not an array of numpy".to_owned());
    }
    let wide = part(bytes, 6, 1)? != [1];
    let (length, start) = if wide { (number(bytes, 8, 4)?, 12) } else { (number(bytes, 8, 2)?, 10) };
    let header = String::from_utf8_lossy(part(bytes, start, length)?).into_owned();
    let after = |key: &str| header.split_once(key).map(|(_, rest)| rest).ok_or(format!("no {key}"));
    let kind = after("'descr': '")?.split('\'').next().unwrap_or_default().to_owned();
    let is_fortran = after("'fortran_order': ")?.starts_with("True");
    let shape = after("'shape': (")?.split(')').next().unwrap_or_default().to_owned();
    let shape: Vec<usize> = shape.split(',').filter_map(|n| n.trim().parse().ok()).collect();
    let (rows, columns) = match shape[..] {
        [rows] => (rows, 1),
        [rows, columns] => (rows, columns),
        _ => return Err(format!("an array of shape {shape:?} is no table")),
    };
    let values = numbers(&kind, &bytes[start + length..])?;
    let shaped = if is_fortran {
        Array2::from_shape_vec((columns, rows), values).map(Array2::reversed_axes)
    } else {
        Array2::from_shape_vec((rows, columns), values)
    };
    shaped.map_err(|e| e.to_string())
}

#[allow(clippy::cast_precision_loss, reason = "labels and positions are small")]
fn numbers(kind: &str, bytes: &[u8]) -> Result<Vec<f64>, String> {
    fn each<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        bytes.as_chunks::<N>().0.iter().map(|chunk| read(*chunk)).collect()
    }
    Ok(match kind {
        "<f8" => each(bytes, f64::from_le_bytes),
        "<f4" => each(bytes, |b| f64::from(f32::from_le_bytes(b))),
        "<i8" => each(bytes, |b| i64::from_le_bytes(b) as f64),
        "<u8" => each(bytes, |b| u64::from_le_bytes(b) as f64),
        "<i4" => each(bytes, |b| f64::from(i32::from_le_bytes(b))),
        "<u4" => each(bytes, |b| f64::from(u32::from_le_bytes(b))),
        "<i2" => each(bytes, |b| f64::from(i16::from_le_bytes(b))),
        "<u2" => each(bytes, |b| f64::from(u16::from_le_bytes(b))),
        "|u1" | "|b1" => bytes.iter().map(|b| f64::from(*b)).collect(),
        "|i1" => each(bytes, |b| f64::from(i8::from_le_bytes(b))),
        other => return Err(format!("numbers of kind {other} are not known here")),
    })
}

fn part(bytes: &[u8], at: usize, length: usize) -> Result<&[u8], String> {
    bytes.get(at..at.saturating_add(length)).ok_or_else(|| "the file ends too early".to_owned())
}

fn number(bytes: &[u8], at: usize, length: usize) -> Result<usize, String> {
    Ok(part(bytes, at, length)?.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
}
