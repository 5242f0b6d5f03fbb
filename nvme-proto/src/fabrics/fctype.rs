//! Which Fabrics command.

use crate::registry::wire_values;

wire_values! {
    /// Which Fabrics command: byte 4 of an entry with opcode 0x7f. Bits 1:0 are the direction of the data, as in an opcode; 0xc0 to 0xff are
    /// vendor specific.
    ///
    /// Source: NVMe Base 2.0 section 6, kernel `include/linux/nvme.h: enum nvmf_capsule_command`.
    #[doc(alias = "FCTYPE")]
    pub struct Fctype(u8) {
        /// Writes a property of the controller.
        PROPERTY_SET = 0x00 => "Property Set",
        /// Makes a connection a queue of a controller.
        CONNECT = 0x01 => "Connect",
        /// Reads a property of the controller.
        PROPERTY_GET = 0x04 => "Property Get",
        /// Carries an authentication message to the controller.
        AUTHENTICATION_SEND = 0x05 => "Authentication Send",
        /// Asks for an authentication message of the controller.
        AUTHENTICATION_RECEIVE = 0x06 => "Authentication Receive",
        /// Ends an I/O queue.
        DISCONNECT = 0x08 => "Disconnect",
    }
}
