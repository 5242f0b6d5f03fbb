//! Where somebody is: what entries of subsystems and of hosts have at the same places.

/// The fields from byte 512 on of a view `$view<B>(bytes, ..)` with a `transport_type`.
macro_rules! address_fields {
    ($view:ident) => {
        impl<B: AsRef<[u8]>> $view<B> {
            /// Transport address: for TCP an IP address ([`Traddr::ip`](crate::Traddr::ip)).
            ///
            /// # Errors
            /// When the field is empty or holds something else than printable ASCII without blanks and commas.
            #[doc(alias = "TRADDR")]
            pub fn traddr(&self) -> Result<$crate::Traddr, $crate::AddrTextError> {
                $crate::Traddr::decode($crate::layout::field_at(self.0.as_ref(), 512, 256))
            }

            /// Transport address for people, whatever is in the field.
            #[must_use]
            pub fn traddr_text(&self) -> alloc::string::String {
                $crate::text::printable($crate::layout::field_at(self.0.as_ref(), 512, 256))
            }

            /// What depends on the transport, 256 bytes.
            #[doc(alias = "TSAS")]
            #[must_use]
            pub fn transport_specific(&self) -> &[u8] {
                $crate::layout::field_at(self.0.as_ref(), 768, 256)
            }

            /// What protects connections; `None` when the transport is not TCP.
            #[must_use]
            pub fn tcp_security(&self) -> Option<$crate::discovery::TcpSecurity> {
                let [security] = $crate::layout::bytes_at(self.0.as_ref(), 768);
                let is_tcp = self.transport_type() == $crate::TransportType::TCP;
                is_tcp.then_some($crate::discovery::TcpSecurity(security))
            }
        }
    };
}
pub(crate) use address_fields;
