"""A sale that is paid by a code before a camera: the whole way from a film of a phone to the host's books."""

from pathlib import Path

from simulators.camera import showing, write_film
from simulators.tour.setting_up import CASHIER, CASHIER_PIN
from tests.e2e.shop import RunningShop
from tests.terminal.cashier.test_presses import charge, stranger

CODE = "6288123456789012345"


def test_a_phone_before_the_camera_pays(tmp_path: Path) -> None:
    film = tmp_path / "film.avi"
    write_film(film, [showing("")] * 15 + [showing(CODE)] * 15)
    shop = RunningShop(tmp_path / "shop")
    profile = shop.shop.terminal / "profile.toml"
    entries = f'[devices]\ncamera = "{film}"\nscanner_repeat_s = 0.0\n'
    profile.write_text(profile.read_text("utf-8").replace("[devices]\n", entries), "utf-8")
    with shop.open(), stranger(shop) as browser:
        shop.wait_for(lambda view: view["devices"]["scanner"]["state"] == "ready")
        browser.post("/log-on", data={"operator": CASHIER, "pin": CASHIER_PIN})
        charge(browser)
        paid = shop.wait_for(lambda view: view["current"] is None and view["payments"])["payments"][0]
    assert (paid["state"], paid["means"], paid["amount"]) == ("approved", f"62{'*' * 13}2345", 2500)
