from uuid import uuid4

from django.db import migrations, models


def first_stamp(apps, schema_editor):
    apps.get_model("generation", "OfferStamp").objects.create(stamp=uuid4())


class Migration(migrations.Migration):
    dependencies = [("generation", "0004_offers")]

    operations = [
        migrations.CreateModel(
            name="OfferStamp",
            fields=[
                ("only", models.BooleanField(default=True, primary_key=True, serialize=False)),
                ("stamp", models.UUIDField()),
            ],
        ),
        migrations.RunPython(first_stamp, migrations.RunPython.noop),
    ]
