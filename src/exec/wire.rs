//! What a step's bootstrap gets on standard input: lengths and encoded fields, then raw bytes.

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

/// The sizes line, header and raw bytes in one.
pub(super) fn payload(request: &StepRequest) -> Result<zeroize::Zeroizing<Vec<u8>>, BadRequest> {
    let mut header = zeroize::Zeroizing::new(String::new());
    let interpreter: Vec<&str> = request.interpreter.split_ascii_whitespace().collect();
    if interpreter.is_empty() || request.interpreter.contains('\0') || request.interpreter.starts_with('-') {
        return Err(BadRequest::Interpreter(request.interpreter.clone()));
    }
    header.push_str(&format!("{}\n", interpreter.len()));
    for word in interpreter {
        field(&mut header, word);
    }
    if request.env.iter().map(|(name, value)| name.len() + value.text().len() + 2).sum::<usize>() > LARGEST_ENVIRONMENT
    {
        return Err(BadRequest::Environment);
    }
    header.push_str(&format!("{}\n", request.env.len()));
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
        header.push_str(&format!("{name}\n"));
        field(&mut header, value);
    }
    header.push_str(&format!("{}\n", request.files.len()));
    let mut raw_size = request.body.len();
    for file in &request.files {
        if !is_variable(&file.variable) {
            return Err(BadRequest::Name(file.variable.clone()));
        }
        if file.name.is_empty() || matches!(file.name.as_str(), "." | "..") || file.name.contains(['/', '\0']) {
            return Err(BadRequest::File(file.name.clone()));
        }
        header.push_str(&format!("{}\n", file.variable));
        field(&mut header, &file.name);
        header.push_str(&format!("{}\n", file.bytes.len()));
        raw_size += file.bytes.len();
    }
    let mut out = zeroize::Zeroizing::new(Vec::with_capacity(header.len() + raw_size + 32));
    out.extend_from_slice(format!("{} {raw_size}\n", header.len()).as_bytes());
    out.extend_from_slice(header.as_bytes());
    for file in &request.files {
        out.extend_from_slice(&file.bytes);
    }
    out.extend_from_slice(&request.body);
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

/// One line in the form that `printf %b` decodes: printable ASCII as it is, everything else as `\0` and octal digits.
fn field(out: &mut String, value: &str) {
    for byte in value.bytes() {
        match byte {
            b'\\' => out.push_str("\\0134"),
            0x20..=0x7e => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\0{byte:03o}")),
        }
    }
    out.push('\n');
}
