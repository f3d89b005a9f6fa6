//! The header of a step as `node.sh` reads it: counts and fields, then raw bytes.

use super::StepRequest;

/// The longest value of a variable; kernels take 128 KiB for name and value in one.
const LONGEST_VALUE: usize = 120 * 1024;

/// All variables together; kernels take about 2 MiB for environment and arguments, and the account has its own.
const LARGEST_ENVIRONMENT: usize = 1024 * 1024;

/// A request that no node can take: what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadRequest {
    /// The name could not be a variable.
    #[error("`{0}` cannot be the name of an environment variable; use letters, digits and `_`")]
    Name(String),
    /// The value cannot be in an environment.
    #[error("the value of `{0}` holds a NUL byte, which no environment can carry")]
    Nul(String),
    /// The value is too long.
    #[error("the value of `{0}` is longer than the 120 KiB that a node's environment can carry; use a file option")]
    Long(String),
    /// The values are too long together.
    #[error(
        "the step's values have more than the 1 MiB together that a node's environment can carry; use file options"
    )]
    Environment,
    /// The file name would leave its directory.
    #[error("`{0}` cannot be the name of an uploaded file")]
    File(String),
    /// No interpreter, or one with a NUL.
    #[error("the interpreter `{0}` cannot be run")]
    Interpreter(String),
}

/// A script up to this size travels as a field, which the node reads without another process; a longer one as it is.
const INLINE: usize = 16 * 1024;

/// Counts, header and raw bytes in one.
pub(super) fn payload(request: &StepRequest) -> Result<zeroize::Zeroizing<Vec<u8>>, BadRequest> {
    let mut header = zeroize::Zeroizing::new(Vec::new());
    let words: Vec<&str> = request.interpreter.split_ascii_whitespace().collect();
    if words.is_empty() || request.interpreter.contains('\0') || request.interpreter.starts_with('-') {
        return Err(BadRequest::Interpreter(request.interpreter.clone()));
    }
    if request.env.iter().map(|(name, value)| name.len() + value.text().len() + 2).sum::<usize>() > LARGEST_ENVIRONMENT
    {
        return Err(BadRequest::Environment);
    }
    for word in &words {
        field(&mut header, word.as_bytes());
    }
    for file in &request.files {
        if !is_variable(&file.variable) {
            return Err(BadRequest::Name(file.variable.clone()));
        }
        if file.name.is_empty() || matches!(file.name.as_str(), "." | "..") || file.name.contains(['/', '\0']) {
            return Err(BadRequest::File(file.name.clone()));
        }
        field(&mut header, file.variable.as_bytes());
        field(&mut header, file.name.as_bytes());
        field(&mut header, file.bytes.len().to_string().as_bytes());
    }
    for (name, value) in &request.env {
        let value = value.text();
        if !is_variable(name) {
            return Err(BadRequest::Name(name.clone()));
        }
        if value.contains('\0') {
            return Err(BadRequest::Nul(name.clone()));
        }
        if value.len() > LONGEST_VALUE {
            return Err(BadRequest::Long(name.clone()));
        }
        let pair = zeroize::Zeroizing::new(format!("{name}={value}"));
        field(&mut header, pair.as_bytes());
    }
    // A shell's variable holds no NUL.
    let inline = request.body.len() <= INLINE && !request.body.contains(&0);
    field(&mut header, if inline { &request.body } else { &[] });
    field(&mut header, b"end");
    let behind: &[u8] = if inline { &[] } else { &request.body };
    let raw = request.files.iter().map(|f| f.bytes.len()).sum::<usize>() + behind.len();
    let mut out = zeroize::Zeroizing::new(Vec::with_capacity(header.len() + raw + 32));
    let counts = format!("{} {} {} {raw}\n", words.len(), request.files.len(), request.env.len());
    out.extend_from_slice(counts.as_bytes());
    out.extend_from_slice(&header);
    for file in &request.files {
        out.extend_from_slice(&file.bytes);
    }
    out.extend_from_slice(behind);
    Ok(out)
}

/// Names that the loader of programs or the shell itself gives a meaning to are refused with those that are no names.
fn is_variable(name: &str) -> bool {
    let reserved = ["PATH", "IFS", "ENV", "BASH_ENV", "HOME", "SHELL", "PS4", "SHELLOPTS", "BASHOPTS", "CDPATH"];
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !reserved.contains(&name)
        && !["LD_", "DYLD_", "il_"].iter().any(|prefix| name.starts_with(prefix))
}

/// One line: as it is where that is printable ASCII, otherwise in the form that `printf %b` decodes.
fn field(out: &mut Vec<u8>, value: &[u8]) {
    if value.iter().all(|byte| matches!(byte, 0x20..=0x7e)) {
        out.push(b'=');
        out.extend_from_slice(value);
    } else {
        out.push(b'%');
        for byte in value {
            match byte {
                b'\\' => out.extend_from_slice(b"\\0134"),
                0x20..=0x7e => out.push(*byte),
                _ => out.extend_from_slice(format!("\\0{byte:03o}").as_bytes()),
            }
        }
    }
    out.push(b'\n');
}
