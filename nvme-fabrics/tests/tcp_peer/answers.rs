//! What a peer answers on its admin queue and to the commands of Fabrics.

use std::sync::atomic::Ordering;

use nvme_proto::command::admin::{GetFeatures, SetFeatures};
use nvme_proto::controller::{Reply, Tag};
use nvme_proto::discovery::LogId;
use nvme_proto::fabrics::{
    Capabilities, Connect, ConnectData, ConnectResponse, Fctype, Property, PropertyGet, PropertySet,
};
use nvme_proto::feature::{FeatureId, NumberOfQueues};
use nvme_proto::identify::{
    AsyncEvents, Cns, ControllerAttributes, IdentifyCommand, IdentifyController, IdentifyNamespace,
    LbaFormat, NamespaceList, Version,
};
use nvme_proto::sqe::Sqe;
use nvme_proto::{Cntlid, Status};
use tokio::io::{AsyncRead, AsyncWrite};

use super::peer::Peer;
use super::{identity, nqn};

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    pub(super) fn fabrics(&mut self, tag: Tag, sqe: &Sqe, data: Option<Vec<u8>>) {
        match sqe.fctype() {
            Fctype::CONNECT => {
                let connect = Connect::from_sqe(sqe);
                let data = ConnectData::new_checked(data.unwrap()).unwrap();
                assert_eq!(data.subnqn().unwrap(), nqn());
                assert_eq!((data.hostnqn().unwrap(), data.host_id()), (identity().nqn, identity().id));
                let refuse = *self.shared.refuse.lock().unwrap();
                if let Some((status, dw0)) = refuse {
                    let reply = Reply { status, result: dw0.into() };
                    return self.answer(tag, reply);
                }
                if connect.qid == 0 {
                    self.shared.associations.fetch_add(1, Ordering::SeqCst);
                    assert_eq!(data.cntlid(), Cntlid::DYNAMIC);
                } else {
                    assert_eq!(data.cntlid(), Cntlid(1));
                }
                let authentication = self.shared.options.authentication;
                let response = ConnectResponse::new(Cntlid(1)).with_authentication(authentication);
                self.answer(tag, Reply::with_result(response.0.into()));
            }
            Fctype::PROPERTY_GET => {
                let value = match PropertyGet::from_sqe(sqe).property {
                    Property::CAP => {
                        let capabilities = Capabilities::default()
                            .with_max_queue_entries(self.shared.options.max_queue_entries - 1)
                            .with_contiguous_queues(true)
                            .with_timeout(10)
                            .with_nvm_command_set(true);
                        capabilities.0
                    }
                    Property::VS => 0x0002_0000,
                    Property::CC => 0x0046_0001,
                    Property::CSTS => u64::from(self.enabled) | if self.shut_down { 8 } else { 0 },
                    _ => return self.answer(tag, Reply::failed(Status::INVALID_FIELD)),
                };
                self.answer(tag, Reply::with_result(value));
            }
            Fctype::PROPERTY_SET => {
                let set = PropertySet::from_sqe(sqe);
                let value = set.value as u32;
                self.shared.configurations.lock().unwrap().push(value);
                self.enabled = value & 1 != 0;
                self.shut_down = value & 0xc000 != 0;
                self.answer(tag, Reply::success());
            }
            _ => self.answer(tag, Reply::failed(Status::INVALID_FIELD)),
        }
    }

    pub(super) fn admin(&mut self, tag: Tag, sqe: &Sqe) {
        match sqe.opcode {
            0x02 => {
                let len = ((u64::from(sqe.cdw10 >> 16) | u64::from(sqe.cdw11 & 0xffff) << 16) + 1) * 4;
                let offset = u64::from(sqe.cdw12) | u64::from(sqe.cdw13) << 32;
                assert_eq!(LogId(sqe.cdw10 as u8), LogId(0x70));
                let data = (offset..offset + len).map(|at| (at / 4) as u8).collect();
                self.data(tag, data);
            }
            0x06 => self.identify(tag, &IdentifyCommand::from_sqe(sqe)),
            0x08 => {
                self.shared.aborts.fetch_add(1, Ordering::SeqCst);
                let deaf = self.shared.options.deaf;
                if !deaf {
                    self.shared.aborted.send((sqe.cdw10 as u16, (sqe.cdw10 >> 16) as u16)).unwrap();
                }
                self.answer(tag, Reply::with_result(u64::from(deaf)));
            }
            0x09 => {
                let set = SetFeatures::from_sqe(sqe);
                match set.feature {
                    FeatureId::NUMBER_OF_QUEUES => {
                        let granted = NumberOfQueues::pairs(self.shared.options.granted - 1);
                        self.answer(tag, Reply::with_result(granted.0.into()));
                    }
                    _ => self.answer(tag, Reply::success()),
                }
            }
            0x0a => {
                let get = GetFeatures::from_sqe(sqe);
                self.answer(tag, Reply::with_result(u64::from(get.feature.0)));
            }
            0x0c => self.event_requests.push_back(tag),
            0x18 => {
                self.shared.keep_alives.fetch_add(1, Ordering::SeqCst);
                self.answer(tag, Reply::success());
            }
            _ => self.answer(tag, Reply::failed(Status::INVALID_OPCODE.with_dnr())),
        }
    }

    fn identify(&mut self, tag: Tag, command: &IdentifyCommand) {
        let options = self.shared.options;
        let data = match command.cns {
            Cns::CONTROLLER => {
                let mut identify = IdentifyController::zeroed();
                identify.set_cntlid(Cntlid(1));
                identify.set_version(Version(0x0002_0000));
                identify.set_max_data_transfer(options.mdts);
                identify.set_namespaces(4);
                identify.set_io_capsule_size(4 + options.in_capsule / 16);
                identify.set_async_event_limit(3);
                identify.set_async_events(AsyncEvents::NAMESPACE | AsyncEvents::ANA);
                identify.set_keep_alive_granularity(10);
                if options.traffic_keep_alive {
                    identify.set_attributes(ControllerAttributes::TRAFFIC_KEEP_ALIVE);
                }
                identify.set_subnqn(&nqn());
                identify.as_bytes().to_vec()
            }
            Cns::ACTIVE_NAMESPACES => {
                let ids = [1, 3].into_iter().filter(|nsid| *nsid > command.nsid);
                NamespaceList::of(ids).as_bytes().to_vec()
            }
            Cns::NAMESPACE if matches!(command.nsid, 1 | 3) => {
                let mut identify = IdentifyNamespace::zeroed();
                identify.set_size(options.blocks);
                identify.set_capacity(options.blocks);
                identify.set_optimal_io_boundary(options.noiob);
                identify.set_lba_format_at(0, LbaFormat { metadata_bytes: 0, data_log2: 9, performance: 0 });
                identify.as_bytes().to_vec()
            }
            Cns::NAMESPACE => vec![0; 4096],
            _ => return self.answer(tag, Reply::failed(Status::INVALID_FIELD.with_dnr())),
        };
        self.data(tag, data);
    }
}
