//! Whether a JPEG is whole.

/// Whether a JPEG goes on to its end marker. The decoder makes up what is missing, in gray.
///
/// Between two markers there are segments that tell their length, and, behind a start of scan,
/// coded data in which an 0xFF is followed by 0 or a restart marker (ITU-T T.81, B.1.1).
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xda;
    const END_OF_IMAGE: u8 = 0xd9;
    let is_restart = |code: u8| (0xd0..=0xd7).contains(&code);
    let mut at = 2;
    while let Some(rest) = bytes.get(at..) {
        // Whatever stands before the next marker is coded data, or padding.
        let is_marker =
            |pair: &[u8]| pair[0] == 0xff && ![0, 0xff].contains(&pair[1]) && !is_restart(pair[1]);
        let Some(marker) = rest.windows(2).position(is_marker) else { return false };
        let (code, segment) = (rest[marker + 1], &rest[marker + 2..]);
        match (code, segment) {
            (END_OF_IMAGE, _) => return true,
            (START_OF_SCAN.. | 0x02..START_OF_SCAN, [high, low, ..]) => {
                at += marker + 2 + usize::from(u16::from_be_bytes([*high, *low]));
            }
            _ => at += marker + 2,
        }
    }
    false
}
