from django.db import migrations, models


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
    ]
