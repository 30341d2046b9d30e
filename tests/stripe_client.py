"""Stripe's own Python package against the sandbox: an independent client of its API and an independent
verifier of its signatures. `stripe_python.rs` starts the server and runs this file.

    SCRIP_TEST_SANDBOX=http://127.0.0.1:8080/sandbox python3 tests/stripe_client.py
"""

import http.server
import json
import os
import queue
import threading
import unittest
import urllib.error
import urllib.parse
import urllib.request
import uuid

import stripe

BASE = os.environ["SCRIP_TEST_SANDBOX"]
KEY = "sk_test_sandbox"
SUCCESS = "4242424242424242"
DECLINED = "4000000000000002"
INSUFFICIENT = "4000000000009995"
DISPUTED = "4000000000000259"
# For a delivery of the sandbox, which runs on the machine's clock.
DELIVERED_WITHIN_SECONDS = 30


def client(key=KEY):
    return stripe.StripeClient(key, base_addresses={"api": BASE}, max_network_retries=0).v1


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def pay(url, card):
    """Types a card into the hosted page; answers where the browser is sent."""
    form = {"number": card, "expiry": "12/34", "cvc": "123", "name": "Ada"}
    opener = urllib.request.build_opener(NoRedirect)
    try:
        opener.open(url, urllib.parse.urlencode(form).encode())
    except urllib.error.HTTPError as answer:
        if answer.code == 303:
            return answer.headers["location"]
        raise
    raise AssertionError("the page did not redirect")


def order(**more):
    return {
        "mode": "payment",
        "client_reference_id": "order-1",
        "customer_email": "ada@example.org",
        "line_items": [
            {
                "quantity": 3,
                "price_data": {
                    "currency": "usd",
                    "unit_amount": 1500,
                    "product_data": {"name": "Tea & biscuits, 100 %"},
                },
            }
        ],
        "metadata": {"a key": "ünï & cödé"},
        "payment_intent_data": {"metadata": {"order": "1"}},
        "success_url": "http://127.0.0.1:9/thanks?s={CHECKOUT_SESSION_ID}",
        "cancel_url": "http://127.0.0.1:9/prices",
        **more,
    }


class Sandbox(unittest.TestCase):
    def setUp(self):
        self.stripe = client()

    def bought(self, card=SUCCESS):
        """A checkout that was paid, with its payment and charge in place of their ids."""
        opened = self.stripe.checkout.sessions.create(order())
        pay(opened.url, card)
        expand = {"expand": ["payment_intent.latest_charge"]}
        return self.stripe.checkout.sessions.retrieve(opened.id, expand)


class Checkouts(Sandbox):
    def test_a_session_keeps_what_it_was_made_of(self):
        made = self.stripe.checkout.sessions.create(order())
        self.assertEqual(made.amount_total, 4500)
        self.assertEqual((made.status, made.payment_status), ("open", "unpaid"))
        self.assertEqual(made.metadata["a key"], "ünï & cödé")
        read = self.stripe.checkout.sessions.retrieve(made.id)
        self.assertEqual(read.to_dict(), made.to_dict())
        lines = self.stripe.checkout.sessions.line_items.list(made.id)
        self.assertEqual([(l.description, l.quantity) for l in lines.data], [("Tea & biscuits, 100 %", 3)])

    def test_a_list_is_read_page_by_page_newest_first(self):
        made = [self.stripe.checkout.sessions.create(order()).id for _ in range(5)]
        pages = self.stripe.checkout.sessions.list({"limit": 2})
        self.assertTrue(pages.has_more)
        seen = []
        for session in pages.auto_paging_iter():
            seen.append(session.id)
            if session.id == made[0]:
                break
        self.assertEqual([id for id in seen if id in made], made[::-1])
        self.assertEqual(len(seen), len(set(seen)))

    def test_a_good_card_pays(self):
        opened = self.stripe.checkout.sessions.create(order())
        self.assertEqual(pay(opened.url, SUCCESS), f"http://127.0.0.1:9/thanks?s={opened.id}")
        paid = self.stripe.checkout.sessions.retrieve(opened.id, {"expand": ["payment_intent"]})
        self.assertEqual((paid.status, paid.payment_status, paid.url), ("complete", "paid", None))
        intent = paid.payment_intent
        self.assertIsInstance(intent, stripe.PaymentIntent)
        self.assertEqual((intent.status, intent.amount_received), ("succeeded", 4500))
        self.assertEqual(intent.metadata["order"], "1")
        self.assertEqual(self.stripe.payment_intents.retrieve(intent.id).latest_charge, intent.latest_charge)
        self.assertIn(intent.id, [one.id for one in self.stripe.payment_intents.list().data])
        by_payment = self.stripe.checkout.sessions.list({"payment_intent": intent.id}).data
        self.assertEqual([session.id for session in by_payment], [opened.id])

    def test_a_decline_says_why_and_leaves_the_checkout_open(self):
        for card, reason in [(DECLINED, "generic_decline"), (INSUFFICIENT, "insufficient_funds")]:
            opened = self.stripe.checkout.sessions.create(order())
            pay(opened.url, card)
            read = self.stripe.checkout.sessions.retrieve(opened.id, {"expand": ["payment_intent"]})
            self.assertEqual((read.status, read.payment_status), ("open", "unpaid"))
            error = read.payment_intent.last_payment_error
            self.assertEqual((error.type, error.code), ("card_error", "card_declined"))
            self.assertEqual(error.decline_code, reason)
            charge = self.stripe.charges.retrieve(read.payment_intent.latest_charge)
            self.assertEqual((charge.status, charge.paid), ("failed", False))
            self.assertEqual((charge.failure_code, charge.outcome.reason), ("card_declined", reason))
            pay(read.url, SUCCESS)
            self.assertEqual(self.stripe.checkout.sessions.retrieve(opened.id).payment_status, "paid")

    def test_an_expired_session_cannot_expire_again(self):
        opened = self.stripe.checkout.sessions.create(order())
        self.assertEqual(self.stripe.checkout.sessions.expire(opened.id).status, "expired")
        with self.assertRaises(stripe.InvalidRequestError):
            self.stripe.checkout.sessions.expire(opened.id)


class Returns(Sandbox):
    def test_refunds_in_part_and_of_the_rest(self):
        intent = self.bought().payment_intent
        part = self.stripe.refunds.create({"payment_intent": intent.id, "amount": 1500})
        self.assertEqual((part.status, part.amount, part.payment_intent), ("succeeded", 1500, intent.id))
        with self.assertRaises(stripe.InvalidRequestError) as refused:
            self.stripe.refunds.create({"payment_intent": intent.id, "amount": 3001})
        self.assertEqual(refused.exception.param, "amount")
        rest = self.stripe.refunds.create({"charge": intent.latest_charge.id, "reason": "duplicate"})
        self.assertEqual((rest.amount, rest.reason), (3000, "duplicate"))
        with self.assertRaises(stripe.InvalidRequestError) as refused:
            self.stripe.refunds.create({"payment_intent": intent.id})
        self.assertEqual(refused.exception.code, "charge_already_refunded")
        listed = self.stripe.refunds.list({"payment_intent": intent.id}).data
        self.assertEqual([one.id for one in listed], [rest.id, part.id])
        self.assertEqual(self.stripe.refunds.retrieve(part.id).amount, 1500)
        charge = self.stripe.charges.retrieve(intent.latest_charge.id, {"expand": ["refunds"]})
        self.assertEqual((charge.amount_refunded, charge.refunded), (4500, True))
        self.assertEqual(sum(one.amount for one in charge.refunds.data), 4500)

    def test_a_dispute_is_won_by_evidence_and_lost_without(self):
        for act, outcome in [(self.win, "won"), (self.lose, "lost"), (self.concede, "lost")]:
            intent = self.bought(DISPUTED).payment_intent
            self.assertTrue(intent.latest_charge.disputed)
            dispute = self.stripe.disputes.list({"payment_intent": intent.id}).data[0]
            self.assertEqual((dispute.status, dispute.amount), ("needs_response", 4500))
            self.assertEqual(dispute.charge, intent.latest_charge.id)
            with self.assertRaises(stripe.InvalidRequestError) as refused:
                self.stripe.refunds.create({"payment_intent": intent.id})
            self.assertEqual(refused.exception.code, "charge_disputed")
            self.assertEqual(act(dispute.id).status, outcome)
            self.assertEqual(self.stripe.disputes.retrieve(dispute.id).status, outcome)
            with self.assertRaises(stripe.InvalidRequestError):
                self.stripe.disputes.close(dispute.id)

    def win(self, id):
        evidence = {"uncategorized_text": "winning_evidence"}
        return self.stripe.disputes.update(id, {"evidence": evidence, "submit": True})

    def lose(self, id):
        evidence = {"uncategorized_text": "losing_evidence"}
        return self.stripe.disputes.update(id, {"evidence": evidence, "submit": True})

    def concede(self, id):
        return self.stripe.disputes.close(id)


class Objects(Sandbox):
    def test_customers_products_and_prices(self):
        ada = self.stripe.customers.create({"email": "ada@example.org", "metadata": {"a": "1", "b": "2"}})
        ada = self.stripe.customers.update(ada.id, {"name": "Ada", "metadata": {"a": "", "c": "3"}})
        self.assertEqual((ada.name, ada.metadata.to_dict()), ("Ada", {"b": "2", "c": "3"}))
        self.assertTrue(self.stripe.customers.delete(ada.id).deleted)
        product = self.stripe.products.create({"name": "Tea"})
        price = self.stripe.prices.create({"currency": "eur", "unit_amount": 250, "product": product.id})
        self.assertEqual(self.stripe.prices.retrieve(price.id).product, product.id)
        lines = [{"price": price.id, "quantity": 2}]
        session = self.stripe.checkout.sessions.create(order(line_items=lines))
        self.assertEqual((session.amount_total, session.currency), (500, "eur"))


class Errors(Sandbox):
    def test_each_kind_has_its_class(self):
        cases = [
            (lambda: client("sk_test_other").customers.list(), stripe.AuthenticationError, None, None),
            (lambda: client("sk_live_1").customers.list(), stripe.AuthenticationError, None, None),
            (lambda: self.stripe.customers.retrieve("cus_1"), stripe.InvalidRequestError, "resource_missing", "id"),
            (lambda: self.stripe.customers.create({"nick": "x"}), stripe.InvalidRequestError, "parameter_unknown", "nick"),
            (lambda: self.stripe.checkout.sessions.create({}), stripe.InvalidRequestError, "parameter_missing", "mode"),
            (lambda: self.stripe.refunds.create({}), stripe.InvalidRequestError, None, None),
        ]
        for call, kind, code, param in cases:
            with self.assertRaises(kind) as refused:
                call()
            error = refused.exception
            self.assertIs(type(error), kind)
            self.assertEqual((error.code, getattr(error, "param", None)), (code, param))
            self.assertTrue(error.user_message)
            self.assertTrue(error.request_id.startswith("req_"))

    def test_a_key_replays_its_answer_and_refuses_another_question(self):
        keyed = {"idempotency_key": str(uuid.uuid4())}
        first = self.stripe.checkout.sessions.create(order(), keyed)
        again = self.stripe.checkout.sessions.create(order(), keyed)
        self.assertEqual(first.last_response.body, again.last_response.body)
        replayed = [answer.last_response.headers.get("idempotent-replayed") for answer in (first, again)]
        self.assertEqual(replayed, [None, "true"])
        with self.assertRaises(stripe.IdempotencyError):
            self.stripe.checkout.sessions.create(order(client_reference_id="order-2"), keyed)


class Webhooks(Sandbox):
    def setUp(self):
        super().setUp()
        self.received = received = queue.Queue()

        class Receiver(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                received.put((body, self.headers["stripe-signature"]))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def tearDown(self):
        self.server.shutdown()
        self.server.server_close()

    def test_what_the_sandbox_signed_is_verified_and_nothing_else(self):
        url = f"http://127.0.0.1:{self.server.server_port}/hooks"
        wanted = ["customer.created", "checkout.session.completed"]
        endpoint = self.stripe.webhook_endpoints.create({"url": url, "enabled_events": wanted})
        ada = self.stripe.customers.create({"email": "ada@example.org", "name": "Ünï"})
        paid = self.bought()
        events = {}
        for _ in wanted:
            body, signature = self.received.get(timeout=DELIVERED_WITHIN_SECONDS)
            event = stripe.Webhook.construct_event(body, signature, endpoint.secret)
            events[event.type] = event
        self.assertEqual(events["customer.created"].data.object.id, ada.id)
        self.assertEqual(events["customer.created"].data.object.name, "Ünï")
        self.assertEqual(events["checkout.session.completed"].data.object.id, paid.id)
        altered = body.replace(b'"livemode": false', b'"livemode": true')
        self.assertNotEqual(altered, body)
        old = signature.replace("t=", "t=1")
        for wrong in [
            (altered, signature, endpoint.secret),
            (body, signature, "whsec_of_somebody_else"),
            (body, old, endpoint.secret),
            (body, "t=1,v1=00", endpoint.secret),
        ]:
            with self.assertRaises(stripe.SignatureVerificationError):
                stripe.Webhook.construct_event(*wrong)
        listed = self.stripe.events.retrieve(events["customer.created"].id)
        self.assertEqual(listed.type, "customer.created")
        self.assertEqual(json.loads(str(listed))["data"]["object"]["id"], ada.id)
        self.assertTrue(self.stripe.webhook_endpoints.delete(endpoint.id).deleted)


if __name__ == "__main__":
    unittest.main()
