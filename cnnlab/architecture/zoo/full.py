"""The classic networks at full size, under torchvision's names, and the two that were made for CIFAR-10."""

from __future__ import annotations

from cnnlab.architecture.preset import Preset
from cnnlab.architecture.zoo.densenet import densenet121
from cnnlab.architecture.zoo.googlenet import googlenet
from cnnlab.architecture.zoo.light import mobilenet_v2, shufflenet_v2, squeezenet
from cnnlab.architecture.zoo.plain import alexnet, vgg
from cnnlab.architecture.zoo.resnet import resnet, resnet_cifar
from cnnlab.i18n import N_

DATA = "cifar10-sample"
"""Colour pictures; ImageNet itself is no data set of the lab."""
READ = N_(
    "Made for 1,000 classes and pictures of 224x224 pixels: here to be read, costed, and, with published weights, run. "
    "It is too large to be trained in class; its small relatives are not."
)
CIFAR_RECIPE = {
    "optimizer": "sgd",
    "lr": 0.1,
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "schedule": "cosine",
    "batch_size": 128,
    "epochs": 30,
    "augmentation": {"crop_padding": 4, "flip": True},
}

_CIFAR_NOTE = N_(
    "The paper trains for 64,000 steps of 128 pictures, with 0.1 as learning rate and a tenth of it after 32,000 and after "
    "48,000 steps; here it is a cosine over 30 epochs. That still takes far longer than a lesson; resnet-cifar is for class."
)

FULL = (
    Preset(
        name="alexnet",
        title=N_("AlexNet"),
        sentence=N_("Five convolutions and three huge dense layers: the network that made deep learning famous."),
        source=N_(
            "Krizhevsky, Sutskever & Hinton 2012, NeurIPS 25; in torchvision's form after Krizhevsky 2014, arXiv:1404.5997"
        ),
        note=(
            READ,
            N_(
                "torchvision follows the later, simpler form: one column instead of two, 64 filters in the first layer instead of 96, "
                "no response normalisation. That makes 61,100,840 parameters; the paper counts 60 million. 58.6 million of them are in the "
                "three dense layers, which do less than a tenth of the multiply-adds."
            ),
        ),
        architecture=alexnet(),
        data=DATA,
        card="zoo/alexnet",
        year=2012,
        full_size=True,
    ),
    Preset(
        name="vgg11",
        title=N_("VGG-11"),
        sentence=N_("Nothing but 3x3 windows, eight convolutions deep."),
        source=N_("Simonyan & Zisserman 2014, arXiv:1409.1556, table 1, configuration A"),
        note=(
            READ,
            N_(
                "As in the paper: 133 million parameters (132,863,336), 102.8 million of them in the first dense layer alone."
            ),
        ),
        architecture=vgg("vgg11"),
        data=DATA,
        card="zoo/vgg",
        year=2014,
        full_size=True,
    ),
    Preset(
        name="vgg16",
        title=N_("VGG-16"),
        sentence=N_("Thirteen convolutions of 3x3 and three dense layers, one behind the other."),
        source=N_("Simonyan & Zisserman 2014, arXiv:1409.1556, table 1, configuration D"),
        note=(
            READ,
            N_(
                "As in the paper: 138 million parameters (138,357,544). It takes 15.5 billion multiply-adds for one picture, "
                "more than any other network here."
            ),
        ),
        architecture=vgg("vgg16"),
        data=DATA,
        card="zoo/vgg",
        year=2014,
        full_size=True,
    ),
    Preset(
        name="googlenet",
        title=N_("GoogLeNet"),
        sentence=N_("Nine inception modules: windows of several sizes look at the same maps side by side."),
        source=N_("Szegedy et al. 2014, arXiv:1409.4842, table 1"),
        note=(
            READ,
            N_(
                "torchvision's form differs from the paper: batch normalisation follows each convolution, and the windows that the paper "
                "has as 5x5 are 3x3 (a slip that its authors know and keep). The two classifiers on the way, which only "
                "training uses, are left out: 6,624,904 parameters."
            ),
        ),
        architecture=googlenet(),
        data=DATA,
        card="zoo/googlenet",
        year=2014,
        full_size=True,
    ),
    Preset(
        name="resnet18",
        title=N_("ResNet-18"),
        sentence=N_("Eight blocks with a shortcut around each: layers learn what to add to their input."),
        source=N_("He, Zhang, Ren & Sun 2016, arXiv:1512.03385, table 1"),
        note=(
            READ,
            N_("As in the paper: 1.8 billion multiply-adds (1,814,073,344), with 11,689,512 parameters."),
        ),
        architecture=resnet("resnet18", (2, 2, 2, 2), bottleneck=False),
        data=DATA,
        card="zoo/resnet",
        year=2015,
        full_size=True,
    ),
    Preset(
        name="resnet50",
        title=N_("ResNet-50"),
        sentence=N_("Sixteen blocks that narrow, look and widen again: the workhorse of the years after 2015."),
        source=N_("He, Zhang, Ren & Sun 2016, arXiv:1512.03385, table 1"),
        note=(
            READ,
            N_(
                "torchvision puts the stride of a block into its 3x3 convolution, the paper into the first 1x1. So it has 4.1 billion "
                "multiply-adds and not the paper's 3.8; the 25,557,032 parameters are the same either way."
            ),
        ),
        architecture=resnet("resnet50", (3, 4, 6, 3), bottleneck=True),
        data=DATA,
        card="zoo/resnet",
        year=2015,
        full_size=True,
    ),
    Preset(
        name="densenet121",
        title=N_("DenseNet-121"),
        sentence=N_("Every layer of a block sees the maps of all layers before it, and adds 32 of its own."),
        source=N_("Huang, Liu, van der Maaten & Weinberger 2017, arXiv:1608.06993, table 1"),
        note=(
            READ,
            N_("As in the paper, with 7,978,856 parameters: fewer than ResNet-18, at 121 layers instead of 18."),
        ),
        architecture=densenet121(),
        data=DATA,
        card="zoo/densenet",
        year=2016,
        full_size=True,
    ),
    Preset(
        name="squeezenet1_1",
        title=N_("SqueezeNet 1.1"),
        sentence=N_("Fire modules squeeze the maps before they look at them: a fiftieth of AlexNet's parameters."),
        source=N_("Iandola et al. 2016, arXiv:1602.07360; version 1.1 is the authors' later one"),
        note=(
            READ,
            N_(
                "Version 1.1 pools earlier and begins with 64 filters of 3x3 where the paper's 1.0 has 96 of 7x7: less than half of the "
                "multiply-adds, with 1,235,496 parameters."
            ),
        ),
        architecture=squeezenet(),
        data=DATA,
        card="zoo/squeezenet",
        year=2016,
        full_size=True,
    ),
    Preset(
        name="mobilenet_v2",
        title=N_("MobileNetV2"),
        sentence=N_("Widen, look at each map by itself, narrow again: made for phones."),
        source=N_("Sandler et al. 2018, arXiv:1801.04381, table 2"),
        note=(
            READ,
            N_(
                "As in the paper: 300 million multiply-adds (300,774,272); it counts 3.4 million parameters, torchvision's has 3,504,872."
            ),
        ),
        architecture=mobilenet_v2(),
        data=DATA,
        card="zoo/mobilenet_v2",
        year=2018,
        full_size=True,
    ),
    Preset(
        name="shufflenet_v2_x1_0",
        title=N_("ShuffleNetV2, width 1"),
        sentence=N_("Half of the channels pass by untouched, then all are shuffled like cards."),
        source=N_("Ma, Zhang, Zheng & Sun 2018, arXiv:1807.11164, table 5"),
        note=(
            READ,
            N_(
                "The paper states 146 million multiply-adds (it calls them FLOPs) and 2.3 million weights; counted here, "
                "convolutions and dense layers alone, it is 144,907,992 and 2,278,604."
            ),
        ),
        architecture=shufflenet_v2(),
        data=DATA,
        card="zoo/shufflenet_v2",
        year=2018,
        full_size=True,
    ),
    Preset(
        name="resnet20-cifar",
        title=N_("ResNet-20 for CIFAR-10"),
        sentence=N_("Nine blocks whose shortcuts have no weights, as the paper made it for small pictures."),
        source=N_("He, Zhang, Ren & Sun 2016, arXiv:1512.03385, section 4.2, option A"),
        note=(
            N_(
                "As in the paper: 0.27 million parameters (269,722). The paper reports 8.75 % errors on CIFAR-10's test pictures."
            ),
            _CIFAR_NOTE,
        ),
        architecture=resnet_cifar("resnet20-cifar", 3),
        recipe=CIFAR_RECIPE,
        data="cifar10",
        card="zoo/resnet",
        year=2015,
    ),
    Preset(
        name="resnet56-cifar",
        title=N_("ResNet-56 for CIFAR-10"),
        sentence=N_(
            "The same with 27 blocks: without their shortcuts, the paper shows, so deep a network learns worse than a shallow one."
        ),
        source=N_("He, Zhang, Ren & Sun 2016, arXiv:1512.03385, section 4.2, option A"),
        note=(
            N_(
                "As in the paper: 0.85 million parameters (853,018). The paper reports 6.97 % errors on CIFAR-10's test pictures."
            ),
            _CIFAR_NOTE,
        ),
        architecture=resnet_cifar("resnet56-cifar", 9),
        recipe=CIFAR_RECIPE,
        data="cifar10",
        card="zoo/resnet",
        year=2015,
    ),
)
