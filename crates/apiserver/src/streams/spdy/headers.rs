//! The headers of SPDY: pairs, compressed as one zlib stream over all frames of a connection, with a dictionary.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use super::SpdyError;

/// Longest headers of one frame, uncompressed.
pub(in crate::streams) const HEADERS_BYTES_MAX: usize = 16 * 1024;
/// How far back compression may refer.
const WINDOW_BYTES: usize = 32 * 1024;

/// The words of the dictionary that stand in it with their length before them.
const WORDS: &str = "options head post put delete trace accept accept-charset accept-encoding accept-language \
    accept-ranges age allow authorization cache-control connection content-base content-encoding content-language \
    content-length content-location content-md5 content-range content-type date etag expect expires from host \
    if-match if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma \
    proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade \
    user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie \
    keep-alive origin";

/// The rest of the dictionary, as it stands.
const TAIL: &str = "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505\
    203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden\
    404 Not Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug \
    Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,\
    application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdch\
    charset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

fn dictionary() -> Vec<u8> {
    let mut out = Vec::with_capacity(1423);
    for word in WORDS.split_whitespace() {
        out.extend(u32::try_from(word.len()).unwrap_or(0).to_be_bytes());
        out.extend(word.replace('_', " ").bytes());
    }
    out.extend(TAIL.bytes());
    out
}

/// Reads the headers of a connection's frames, in their order.
#[derive(Default)]
pub(in crate::streams) struct Inflater(Option<Box<State>>);

struct State {
    decompressor: DecompressorOxide,
    /// What was decompressed so far (the dictionary counts), as far as it can be referred to.
    window: Vec<u8>,
    position: usize,
}

impl Inflater {
    /// The headers of one frame.
    pub(in crate::streams) fn read(
        &mut self,
        mut block: &[u8],
    ) -> Result<Vec<(String, String)>, SpdyError> {
        let state = match &mut self.0 {
            Some(state) => state,
            none => {
                block = after_zlib_header(block).ok_or(SpdyError::Headers)?;
                none.insert(Box::new(State::new()))
            }
        };
        pairs(state.inflate(block)?).ok_or(SpdyError::Headers)
    }
}

impl State {
    fn new() -> Self {
        let dictionary = dictionary();
        let mut window = vec![0; WINDOW_BYTES + HEADERS_BYTES_MAX];
        window[..dictionary.len()].copy_from_slice(&dictionary);
        Self { decompressor: DecompressorOxide::new(), window, position: dictionary.len() }
    }

    fn inflate(&mut self, block: &[u8]) -> Result<&[u8], SpdyError> {
        if self.position > WINDOW_BYTES {
            self.window.copy_within(self.position - WINDOW_BYTES..self.position, 0);
            self.position = WINDOW_BYTES;
        }
        let end = self.position + HEADERS_BYTES_MAX;
        let flags = TINFL_FLAG_HAS_MORE_INPUT | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let (status, read, written) = decompress(
            &mut self.decompressor,
            block,
            &mut self.window[..end],
            self.position,
            flags,
        );
        // A block is flushed, so the stream goes on after it and none of it is left.
        if status != TINFLStatus::NeedsMoreInput || read != block.len() {
            return Err(SpdyError::Headers);
        }
        let start = self.position;
        self.position += written;
        Ok(&self.window[start..self.position])
    }
}

/// What follows the two bytes of the zlib header, and the dictionary's number if one is named.
fn after_zlib_header(block: &[u8]) -> Option<&[u8]> {
    let [method, flags, rest @ ..] = block else { return None };
    let named = flags & 0x20 != 0;
    let valid = method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]) % 31 == 0;
    match (valid, named) {
        (false, _) => None,
        (true, false) => Some(rest),
        (true, true) => {
            let (number, rest) = rest.split_first_chunk::<4>()?;
            (u32::from_be_bytes(*number) == adler32(&dictionary())).then_some(rest)
        }
    }
}

fn adler32(bytes: &[u8]) -> u32 {
    let (low, high) = bytes.iter().fold((1_u32, 0_u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    high << 16 | low
}

/// A count, then names and values, each with its length.
fn pairs(mut bytes: &[u8]) -> Option<Vec<(String, String)>> {
    fn number(bytes: &mut &[u8]) -> Option<usize> {
        let (number, rest) = bytes.split_first_chunk::<4>()?;
        *bytes = rest;
        usize::try_from(u32::from_be_bytes(*number)).ok()
    }
    fn text(bytes: &mut &[u8]) -> Option<String> {
        let length = number(bytes)?;
        let (text, rest) = bytes.split_at_checked(length)?;
        *bytes = rest;
        String::from_utf8(text.to_vec()).ok()
    }
    let count = number(&mut bytes)?;
    let mut pairs = Vec::new();
    for _ in 0..count {
        pairs.push((text(&mut bytes)?, text(&mut bytes)?));
    }
    bytes.is_empty().then_some(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dictionary_is_the_protocols() {
        let dictionary = dictionary();
        assert_eq!((dictionary.len(), adler32(&dictionary)), (1423, 0xe3c6_a7c2));
    }

    /// A stored block, as if it were compressed.
    fn stored(pairs: &[(&str, &str)]) -> Vec<u8> {
        let mut plain = u32::try_from(pairs.len()).unwrap().to_be_bytes().to_vec();
        for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
            plain.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
            plain.extend(text.bytes());
        }
        let length = u16::try_from(plain.len()).unwrap();
        [&[0][..], &length.to_le_bytes(), &(!length).to_le_bytes(), &plain].concat()
    }

    #[test]
    fn headers_are_read_frame_by_frame_however_many_there_are() {
        let mut inflater = Inflater::default();
        let number = adler32(&dictionary()).to_be_bytes();
        let mut prefix = [&[0x78, 0xbb][..], &number].concat();
        for round in 0..2000 {
            let value = round.to_string().repeat(10);
            let block = [&*prefix, &stored(&[("port", &value), ("streamtype", "data")])].concat();
            prefix.clear();
            let read = inflater.read(&block).unwrap();
            assert_eq!(read[0], ("port".to_owned(), value));
        }
        assert!(inflater.read(b"\xff\xff\xff").is_err());
    }

    #[test]
    fn headers_are_bounded() {
        let long = "x".repeat(HEADERS_BYTES_MAX + 1);
        let block = [&[0x78, 0x01][..], &stored(&[("a", &long)])].concat();
        assert!(Inflater::default().read(&block).is_err());
        assert!(pairs(&[0xff, 0xff, 0xff, 0xff]).is_none());
        assert!(pairs(&[0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]).is_none());
    }
}
