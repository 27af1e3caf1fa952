"""From bare machines to a cluster that works."""

from testbed import patience


def test_machines_come_up_from_a_bare_root_file_system(testbed):
    testbed.up()


def test_first_deployment_makes_a_cluster(testbed):
    testbed.play("site.yml")
    testbed.wait_until_idle()


def test_second_deployment_changes_nothing(testbed):
    testbed.play_again()


def test_verify_passes(testbed):
    testbed.play("verify.yml", "-e", f"verify_page_s={0.5 * patience()}")
