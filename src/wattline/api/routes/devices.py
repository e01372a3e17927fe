"""/api/devices: what the values are about, and which of its series stands for a device's power and energy."""

from litestar import Response

from wattline.api.parameters import Devices, chooser
from wattline.api.routes.resource import resource, work
from wattline.api.schema import DeviceAnswer, answer
from wattline.api.view import Seen
from wattline.ledger.aliases import sums, with_aliases
from wattline.ledger.chosen import Choice, choose


@resource("/api/devices", "Devices", tags=["what there is"])
async def devices(seen: Seen, device: Devices = None) -> Response[list[DeviceAnswer]]:
    """List the devices whose name matches, by name."""
    is_wanted = chooser(device, "device")

    def ask() -> list[DeviceAnswer]:
        entries = seen.store.entries()
        every = with_aliases(seen.store.devices(), entries)
        chosen = choose(every, entries)
        added = sums(every, entries, chosen)
        found = []
        for one in every:
            if is_wanted(one.name):
                choice = chosen.get(one.name, Choice())
                found.append(DeviceAnswer.of(one, choice.power, choice.energy, added.get(one.name, ())))
        return found

    return answer(await work(seen, ask))
