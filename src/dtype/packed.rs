//! Elements of fewer than eight bits: a byte each on the host, whose other bits are zero, several in a byte on devices and in files.

use super::DType;

impl DType {
    /// The bytes of so many elements where several of fewer than eight bits share one.
    pub(crate) fn packed_size(self, size: usize) -> usize {
        if self.is_sub_byte() { (size * self.bits()).div_ceil(8) } else { size * self.size() }
    }
}

/// A byte for each of `size` elements; the first ones are the lowest bits of a packed byte.
pub(crate) fn unpack(packed: &[u8], dtype: DType, size: usize) -> Vec<u8> {
    let (bits, each) = (dtype.bits(), 8 / dtype.bits());
    (0..size).map(|i| packed[i / each] >> (i % each * bits) & ((1 << bits) - 1)).collect()
}

/// Writes elements of a byte each into as many bytes as they have packed.
pub(crate) fn pack(elements: &[u8], dtype: DType, packed: &mut [u8]) {
    let (bits, each) = (dtype.bits(), 8 / dtype.bits());
    let mask = (1 << bits) - 1;
    for (byte, elements) in packed.iter_mut().zip(elements.chunks(each)) {
        *byte = elements.iter().enumerate().fold(0, |byte, (i, x)| byte | (x & mask) << (i * bits));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_is_unpacked() {
        for (dtype, elements, packed) in [
            (DType::I4, &[1, 14, 7][..], &[0xe1, 7][..]),
            (DType::U4, &[1, 15, 7], &[0xf1, 7]),
            (DType::I2, &[1, 2, 0, 3, 1], &[0b1100_1001, 1]),
            (DType::U2, &[3, 0, 1, 2], &[0b1001_0011]),
            (DType::F4E2M1FN, &[3, 8], &[0x83]),
        ] {
            let mut out = vec![0; dtype.packed_size(elements.len())];
            pack(elements, dtype, &mut out);
            assert_eq!(out, packed, "{dtype}");
            assert_eq!(unpack(packed, dtype, elements.len()), elements, "{dtype}");
        }
    }
}
