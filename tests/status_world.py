"""An API that holds status objects of services, and nodes whose ledgers are shown them."""

from frr_adapter import refs
from frr_adapter.model import status
from speaker.core import service_status

NAMESPACE = "metallb-system"
OWNER = "u1"
KIND = "ServiceBGPStatus"


class Api:
    """Objects by name. Whoever follows is shown every change at once, unless it is kept from looking."""

    def __init__(self):
        self.objects = {}
        self.made = 0
        self.scenes = []

    def put(self, item):
        self.objects[item.ref.name] = item
        for each in self.scenes:
            each.show(item.ref)

    def remove(self, name):
        item = self.objects.pop(name, None)
        if item is not None:
            for each in self.scenes:
                each.show(item.ref)


class Scene:
    """The ledger of one node, and an API that does what it asks for."""

    def __init__(self, owner=OWNER, *, kind=KIND, node="n1", api=None):
        self.node = node
        self.kind = kind
        self.ledger = service_status.Ledger(kind, node, NAMESPACE, owner, is_sole=kind == "ServiceL2Status")
        self.api = Api() if api is None else api
        self.now = 100.0
        self.owner = owner
        self.unseen = None
        for item in self.api.objects.values():
            self.ledger.seen(item, self.now)
        self.api.scenes.append(self)

    @property
    def objects(self):
        return self.api.objects

    def listed(self):
        self.ledger.listed()
        return self

    def show(self, ref):
        """What the watch says; while `unseen` is a list it is late."""
        if self.unseen is not None:
            self.unseen.append(ref)
        elif ref.name in self.objects:
            self.ledger.seen(self.objects[ref.name], self.now)
        else:
            self.ledger.gone(ref, self.now)

    def look(self):
        late, self.unseen = self.unseen or (), None
        for ref in late:
            self.show(ref)

    def put(self, name, service, said=(), *, about=None, owners=None, node=None):
        namespace, _, short = service.partition("/")
        node = self.node if node is None else node
        self.api.put(
            status.ServiceStatus(
                refs.ObjectRef(self.kind, NAMESPACE, name),
                service,
                node,
                about if about is not None else (node, namespace, short),
                tuple(said),
                owners if owners is not None else (self.owner,),
            )
        )

    def remove(self, name):
        self.api.remove(name)

    def ask(self, wanted):
        return self.ledger.unsaid(wanted, self.now)

    def do(self, effect):
        for name in effect.surplus:
            self.remove(name)
        if effect.said is not None:
            self.api.made += not effect.name
            name = effect.name or f"made-{self.api.made}"
            self.put(name, f"{effect.ref.namespace}/{effect.ref.name}", effect.said)
        self.ledger.performed(effect, self.now)

    def settle(self, wanted):
        """Everything asked for and done; returns the services that were written."""
        asked = self.ask(wanted)
        for effect in asked:
            self.do(effect)
        assert self.ask(wanted) == ()
        return [f"{each.ref.namespace}/{each.ref.name}" for each in asked]

    def said(self):
        return {each.service: each.said for each in self.objects.values()}
