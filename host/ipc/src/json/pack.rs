//! Writes MessagePack, each item in its shortest form. Source: the MessagePack specification, "Formats".

/// More than 32 bits can count.
#[derive(Debug, thiserror::Error)]
#[error("more than 4 GiB")]
pub struct TooLarge;

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) -> Result<(), TooLarge> {
    match u8::try_from(text.len()) {
        Ok(length @ 0..=31) => out.push(0xa0 | length),
        Ok(_) | Err(_) => put_length(out, [Some(0xd9), Some(0xda), Some(0xdb)], text.len())?,
    }
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// `bin`, or `ext` of this type.
pub(super) fn put_bytes(out: &mut Vec<u8>, kind: Option<i8>, bytes: &[u8]) -> Result<(), TooLarge> {
    let markers = if kind.is_some() { [0xc7, 0xc8, 0xc9] } else { [0xc4, 0xc5, 0xc6] };
    put_length(out, markers.map(Some), bytes.len())?;
    out.extend(kind.map(i8::cast_unsigned));
    out.extend_from_slice(bytes);
    Ok(())
}

/// An array's header.
pub(super) fn put_array(out: &mut Vec<u8>, count: usize) -> Result<(), TooLarge> {
    match u8::try_from(count) {
        Ok(count @ 0..=15) => out.push(0x90 | count),
        Ok(_) | Err(_) => put_length(out, [None, Some(0xdc), Some(0xdd)], count)?,
    }
    Ok(())
}

/// A map's header.
pub(super) fn put_map(out: &mut Vec<u8>, count: usize) -> Result<(), TooLarge> {
    match u8::try_from(count) {
        Ok(count @ 0..=15) => out.push(0x80 | count),
        Ok(_) | Err(_) => put_length(out, [None, Some(0xde), Some(0xdf)], count)?,
    }
    Ok(())
}

/// A marker and a length behind it, of 1, 2 or 4 bytes: whichever there is first that can hold it.
fn put_length(out: &mut Vec<u8>, markers: [Option<u8>; 3], length: usize) -> Result<(), TooLarge> {
    let [one, two, four] = markers;
    if let (Some(marker), Ok(length)) = (one, u8::try_from(length)) {
        out.extend([marker, length]);
    } else if let (Some(marker), Ok(length)) = (two, u16::try_from(length)) {
        out.push(marker);
        out.extend(length.to_be_bytes());
    } else {
        out.extend(four);
        out.extend(u32::try_from(length).map_err(|_| TooLarge)?.to_be_bytes());
    }
    Ok(())
}

pub(super) fn put_uint(out: &mut Vec<u8>, number: u64) {
    if let Ok(small) = u8::try_from(number) {
        if small > 0x7f {
            out.push(0xcc);
        }
        out.push(small);
    } else if let Ok(small) = u16::try_from(number) {
        out.push(0xcd);
        out.extend(small.to_be_bytes());
    } else if let Ok(small) = u32::try_from(number) {
        out.push(0xce);
        out.extend(small.to_be_bytes());
    } else {
        out.push(0xcf);
        out.extend(number.to_be_bytes());
    }
}

pub(super) fn put_negative(out: &mut Vec<u8>, number: i64) {
    if let Ok(small) = i8::try_from(number) {
        if small < -32 {
            out.push(0xd0);
        }
        out.push(small.cast_unsigned());
    } else if let Ok(small) = i16::try_from(number) {
        out.push(0xd1);
        out.extend(small.to_be_bytes());
    } else if let Ok(small) = i32::try_from(number) {
        out.push(0xd2);
        out.extend(small.to_be_bytes());
    } else {
        out.push(0xd3);
        out.extend(number.to_be_bytes());
    }
}

pub(super) fn put_float(out: &mut Vec<u8>, number: f64) {
    out.push(0xcb);
    out.extend(number.to_be_bytes());
}
