//! How SSH writes things one after the other: RFC 4251 section 5.

/// The next string; what is read is taken away. None when it is not whole.
pub(super) fn take<'b>(bytes: &mut &'b [u8]) -> Option<&'b [u8]> {
    let length = usize::try_from(take_number(bytes)?).ok()?;
    let (string, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(string)
}

/// The next number.
pub(super) fn take_number(bytes: &mut &[u8]) -> Option<u32> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    *bytes = rest;
    Some(u32::from_be_bytes(*number))
}

/// Appends a string. It must be shorter than 4 GiB.
pub(super) fn put(out: &mut Vec<u8>, string: &[u8]) {
    out.extend_from_slice(&u32::try_from(string.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(string);
}
