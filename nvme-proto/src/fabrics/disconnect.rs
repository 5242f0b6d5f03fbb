//! The Disconnect command.

use crate::bits::command;

command! {
    /// Disconnect: ends the I/O queue it is sent on. The controller aborts what is outstanding and answers; then the host closes the connection.
    ///
    /// Answers: [`CONNECT_INCOMPATIBLE_FORMAT`](crate::Status::CONNECT_INCOMPATIBLE_FORMAT) for a record format that is not 0, Disconnect Invalid
    /// Queue Type on the admin queue. Neither Linux nor SPDK has it (Invalid Opcode); hosts just close the connection.
    ///
    /// Source: NVMe Base 2.0 section 6.4.
    pub struct Disconnect("Disconnect", fctype = 0x08) {
        /// Format of the command: 0.
        CDW10 [15:0] record_format: u16, "RECFMT";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry() {
        let sqe = Disconnect { record_format: 0xabcd }.to_sqe();
        assert_eq!((sqe.opcode, sqe.nsid, sqe.cdw10, sqe.cdw11), (0x7f, 8, 0xabcd, 0));
        assert_eq!(Disconnect::from_sqe(&sqe).record_format, 0xabcd);
        assert_eq!(Disconnect::default().record_format, 0);
    }
}
