"""The closed lists of words that questions are made with."""

from __future__ import annotations

from engine.telling.asked import NUMBERS


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


DETERMINERS = frozenset(NUMBERS) | _words(
    """
    a an the his her their its some several many
    """
)
BEHIND = _words(
    """
    in on at with of and is are to through over by near while that who from into behind under next as
    during along around for wearing standing sitting playing running holding walking jumping looking
    riding has runs stands sits jumps plays walks holds .
    """
)
NO_NOUNS = _words(
    """
    her that one other another out up down front side top back middle each it them him there group
    couple pair edge picture photo image view bunch lot variety piece set end kind type background way
    left closeup shot photograph flight center corner distance line object surface step turn fall rest
    event item foreground bottom pile row display base cover match herd body shade spots pattern jump
    ground fenced flip wall right area something someone this which what being very all both
    """
)
PEOPLE = _words(
    """
    couple man woman boy girl person people child kid guy lady baby player adult toddler crowd
    skateboarder skier surfer biker cyclist climber snowboarder rider swimmer runner hiker team worker
    dancer athlete youth teenager teen individual male female friend family boxer wrestler singer
    performer fan skater bicyclist motorcyclist racer driver fisherman soldier musician face hand
    """
)
ANIMALS = _words(
    """
    dog cat horse bird cow sheep elephant bear giraffe zebra duck puppy goat fish rabbit monkey kitten
    seagull camel deer pony squirrel
    """
)
WHAT = {  # what is asked with its own word: "what animal is there?"
    "animal": ANIMALS,
    "vehicle": _words(
        """
        car bus train truck bike bicycle motorcycle boat plane airplane van motorbike scooter
        kayak canoe skateboard ship jet tractor
        """
    ),
    "sport": _words(
        """
        baseball tennis soccer football basketball hockey volleyball golf rugby surfing skiing
        skateboarding snowboarding cricket frisbee polo lacrosse
        """
    ),
    "food": _words(
        """
        pizza cake sandwich banana apple bread salad donut fruit rice broccoli carrot soup meat
        chicken cheese vegetable candy burger pasta
        """
    ),
}
ALIKE = (  # where one of them is named, another may well be there
    PEOPLE,
    PEOPLE
    | _words(
        """
        shirt jacket coat sweater dress suit uniform pants jeans shorts hat cap outfit vest jersey
        skirt shoes sweatshirt scarf tie head mouth arm leg hair eye shoulder feet foot neck nose
        ear clothes
        """
    ),
    _words(
        """
        ocean water sea beach sand wave lake shore river pool surf pond stream
        """
    ),
    _words(
        """
        car street road sidewalk city path pavement building store window sign
        """
    ),
    _words(
        """
        grass field lawn yard park tree woods forest backyard garden plant sky
        """
    ),
    _words(
        """
        sky snow mountain slope hill ice rock cliff
        """
    ),
    _words(
        """
        wall window room floor bed bedroom lamp carpet rug couch sofa pillow door
        """
    ),
    _words(
        """
        window kitchen bathroom sink counter cabinet stove toilet mirror tub shower
        """
    ),
    _words(
        """
        biker cyclist bike bicycle motorcycle wheel helmet
        """
    ),
    _words(
        """
        table plate bowl cup chair desk bottle computer laptop
        """
    ),
    _words(
        """
        plant flower petal stamen stigma anther leaves
        """
    ),
    ANIMALS
    | _words(
        """
        mouth tail collar leash tongue trunk
        """
    ),
)
