"""Made-up family of the demo's resident: an old neighbour who signed a paper, and a child he is guardian of."""

from __future__ import annotations

import datetime as dt

from healthbrain.access.models import Account, Proxy
from healthbrain.access.rules import SYSTEM
from healthbrain.dispatch.models import HomeBed
from healthbrain.kernel.clock import now
from healthbrain.residents import proxies
from healthbrain.residents.models import Resident
from healthbrain.residents.rules.proxies import Wanted

EVERYTHING = ("record", "transport", "homecare", "messages")


def begin(account_id: int) -> None:
    """Once, through the real action: whom the resident's account may act for. Nothing where nobody fits."""
    account = Account.objects.get(pk=account_id)
    me = Resident.objects.filter(pk=account.resident_id or 0).first()
    if me is None or not me.id_number or Proxy.objects.filter(agent_id=me.pk).exists():
        return
    moment = now()
    year, grown = moment.date() + dt.timedelta(days=365), moment.date() - dt.timedelta(days=3650)
    bed = HomeBed.objects.filter(discharged_on=None).exclude(resident=me).order_by("pk").first()
    near = Resident.objects.filter(home_organisation=me.home_organisation, merged_into=None, deceased_on=None)
    child = near.filter(birth_date__gt=grown).exclude(pk=me.pk).order_by("-birth_date", "pk").first()
    paper = Wanted("paper", "relative", EVERYTHING, year, "signed-form", "本人签字的委托书，演示")
    guardian = Wanted("minor", "grandparent", EVERYTHING, year, "appointment", "村委会指定监护文书，演示")
    for principal, wanted in ((bed.resident_id if bed else None, paper), (child.pk if child else None, guardian)):
        if principal is not None:
            proxies.register(
                by=SYSTEM, now=moment, resident_id=principal, wanted=wanted, name=me.name, number=me.id_number
            )
