//! Messages of protocol buffers, written: the wire format of
//! <https://protobuf.dev/programming-guides/encoding/>.
//!
//! ```text
//! message:  field field ...
//! field:    varint(8 · number + type)  content
//! content:  varint                          type 0: integers and enumerations
//!           varint(length)  bytes           type 2: text, bytes, a message
//!           4 bytes, little-endian          type 5: float
//! varint:   7 bits a byte, the lowest first; the high bit is set if another byte follows
//! ```

/// The fields of a message, in the order in which they were added.
#[derive(Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn integer(mut self, field: u32, value: u64) -> Self {
        self.key(field, 0);
        self.varint(value);
        self
    }

    pub fn float(mut self, field: u32, value: f32) -> Self {
        self.key(field, 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// Text, or bytes.
    pub fn bytes(mut self, field: u32, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.key(field, 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
        self
    }

    pub fn message(self, field: u32, value: Message) -> Self {
        self.bytes(field, value.0)
    }

    /// A repeated field.
    pub fn messages(self, field: u32, values: impl IntoIterator<Item = Message>) -> Self {
        values.into_iter().fold(self, |message, value| message.message(field, value))
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn key(&mut self, field: u32, wire_type: u32) {
        self.varint(u64::from(field << 3 | wire_type));
    }

    fn varint(&mut self, mut value: u64) {
        while value > 0x7f {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_specification_have_its_bytes() {
        // `message Test1 { int32 a = 1; }` with a = 150, and Test3, which holds it as field 3;
        // `message Test2 { string b = 2; }` with "testing".
        let test1 = || Message::new().integer(1, 150);
        assert_eq!(test1().into_bytes(), [0x08, 0x96, 0x01]);
        let test3 = Message::new().message(3, test1());
        assert_eq!(test3.into_bytes(), [0x1a, 0x03, 0x08, 0x96, 0x01]);
        let test2 = Message::new().bytes(2, "testing");
        assert_eq!(test2.into_bytes(), b"\x12\x07testing");
    }
}
