//! The memory of a command.

use nvme_proto::sqe::Sqe;

/// What a command moves, and between which memory.
#[derive(Debug)]
pub enum Data<'a> {
    /// Nothing.
    None,
    /// From the controller into this buffer.
    In(&'a mut [u8]),
    /// From this buffer to the controller.
    Out(&'a [u8]),
}

impl Data<'_> {
    /// Bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::In(buffer) => buffer.len(),
            Self::Out(buffer) => buffer.len(),
        }
    }

    /// Whether nothing is moved.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a command's opcode moves data the same way; for one without data, whether there is none.
    pub(super) fn fits(&self, sqe: &Sqe) -> bool {
        // The kernel takes bit 0 as the direction: of the opcode, or of a Fabrics command of its type.
        let [fctype, ..] = sqe.nsid.to_le_bytes();
        let number = if sqe.is_fabrics() { fctype } else { sqe.opcode };
        match self {
            Self::None => true,
            Self::In(buffer) => number & 1 == 0 || buffer.is_empty(),
            Self::Out(buffer) => number & 1 == 1 || buffer.is_empty(),
        }
    }
}

/// What a command that succeeded gave back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// Dwords 0 and 1 of the completion queue entry. Of kernels before 5.5 dword 0 alone.
    pub result: u64,
}

impl Answer {
    /// Dword 0 of the completion queue entry.
    #[must_use]
    pub fn dword_0(self) -> u32 {
        let [a, b, c, d, ..] = self.result.to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nvme_proto::fabrics::Fctype;

    #[test]
    fn the_direction_is_the_lowest_bit() {
        let (read, write) = (Sqe::new(0x02), Sqe::new(0x01));
        assert!(Data::In(&mut [0]).fits(&read) && !Data::In(&mut [0]).fits(&write));
        assert!(Data::Out(&[0]).fits(&write) && !Data::Out(&[0]).fits(&read));
        assert!(Data::None.fits(&read) && Data::Out(&[]).fits(&read) && Data::In(&mut []).fits(&write));
        let receive = Sqe::fabrics(Fctype(0x06));
        assert!(Data::In(&mut [0]).fits(&receive) && !Data::Out(&[0]).fits(&receive));
        assert_eq!((Data::None.len(), Data::Out(&[1, 2]).len(), Data::None.is_empty()), (0, 2, true));
    }

    #[test]
    fn a_result_has_two_dwords() {
        assert_eq!(Answer { result: 0x0123_4567_89ab_cdef }.dword_0(), 0x89ab_cdef);
    }
}
